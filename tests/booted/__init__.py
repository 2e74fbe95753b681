# SPDX-License-Identifier: MIT
"""Tests in a booted systemd."""
