# SPDX-License-Identifier: MIT
"""The daemon's modules, each against the real system: sockets, files, processes and uids."""
