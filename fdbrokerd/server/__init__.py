# SPDX-License-Identifier: MIT
"""The process around the broker: listeners, connections, turns, reload and the end."""

from fdbrokerd.server.server import Server

__all__ = ["Server"]
