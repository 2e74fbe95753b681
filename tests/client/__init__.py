# SPDX-License-Identifier: MIT
"""The client library against a broker that says what a test wants, and against the real one."""
