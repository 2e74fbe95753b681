# SPDX-License-Identifier: MIT
"""The version, which pyproject.toml has too: a test holds them together."""

__version__ = "0.1.0"
