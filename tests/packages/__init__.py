# SPDX-License-Identifier: MIT
"""The packages: what is in them, and what they do to a machine."""
