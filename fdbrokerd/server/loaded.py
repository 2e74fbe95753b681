# SPDX-License-Identifier: MIT
"""What was read from files, at start and at each reload."""

from collections.abc import Callable
from dataclasses import dataclass

from fdbrokerd.asked import InForce
from fdbrokerd.model.settings import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and what a request sees of all that."""

    settings: Settings
    in_force: InForce


Load = Callable[[], Loaded]
"""Reads everything again. Raises ConfigurationError."""
