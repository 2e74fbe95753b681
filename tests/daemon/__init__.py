# SPDX-License-Identifier: MIT
"""The whole daemon, as a process, seen from its sockets, its files and /proc."""
