# SPDX-License-Identifier: MIT
"""Tests of decisions and of everything that tells about them."""
