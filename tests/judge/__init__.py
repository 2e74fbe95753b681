# SPDX-License-Identifier: MIT
"""Descriptors that others send: what is taken, what is refused, and that nothing waits for them."""
