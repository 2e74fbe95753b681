# SPDX-License-Identifier: MIT
"""Descriptors that are held by name for peers, and outlive the daemon where systemd keeps them."""
