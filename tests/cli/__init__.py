# SPDX-License-Identifier: MIT
"""The programs, as programs."""
