# SPDX-License-Identifier: MIT
"""The programs."""
