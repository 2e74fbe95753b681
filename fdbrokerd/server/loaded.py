# SPDX-License-Identifier: MIT
"""What was read from files, at start and at each reload."""

from collections.abc import Callable

from msgspec import Struct

from fdbrokerd.asked import InForce
from fdbrokerd.model.settings import Settings


class Loaded(Struct, frozen=True):
    """The settings, and what a request sees of all that."""

    settings: Settings
    in_force: InForce


Load = Callable[[], Loaded]
"""Reads everything again. Raises ConfigurationError."""
