# SPDX-License-Identifier: MIT
"""Everything that must hold, with real processes, sockets and files."""
