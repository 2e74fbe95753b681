# SPDX-License-Identifier: MIT
"""What a worker knows of its requests, and what must be recorded of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

DENIED = ("Denied", "PermissionDenied")
OPENING_NOTHING = ("WhoAmI", "List", "Explain", "Release", "Nothing", "Status")

ANY = "any"
"""The outcome of a request whose peer did not wait for it."""


def outcome(method: str, error: str) -> str:
    """Return the outcome that a record must have, by what was answered."""
    if error:
        return "denied" if error in DENIED else "failed"
    return "answered" if method in OPENING_NOTHING else "granted"


def is_unheard(resource: str) -> bool:
    """Tell whether nobody waits for answers about this resource."""
    return resource.startswith("left")


def is_killed(resource: str) -> bool:
    """Tell whether this resource is only for processes that are killed."""
    return resource.startswith("killed")


@dataclass(slots=True)
class Count:
    """The sums of one worker. A key is "METHOD RESOURCE OUTCOME"."""

    answers: Counter[str] = field(default_factory=Counter)
    what: Counter[str] = field(default_factory=Counter)
    """How often each thing was done."""
    killed_at_least: int = 0
    """Requests of killed processes that were answered."""
    killed_at_most: int = 0
    """Those, and the one that each may have sent when it was killed."""
    longest_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def note(self, method: str, resource: str, told: str) -> None:
        """Count one request."""
        self.answers[f"{method} {resource.partition('/')[0]} {told}"] += 1

    @property
    def requests(self) -> int:
        """Return how many there were, for certain."""
        return self.answers.total() + self.killed_at_least

    def add(self, other: dict[str, Any]) -> None:
        """Add what another process has counted, as `vars` has it."""
        self.answers.update(other["answers"])
        self.what.update(other["what"])
        self.killed_at_least += other["killed_at_least"]
        self.killed_at_most += other["killed_at_most"]
        self.longest_seconds = max(self.longest_seconds, other["longest_seconds"])
        self.wrong += other["wrong"]
