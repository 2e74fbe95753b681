# SPDX-License-Identifier: MIT
"""Attacks on the real daemon, row by row of docs/threats.md."""
