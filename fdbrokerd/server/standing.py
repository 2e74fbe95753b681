# SPDX-License-Identifier: MIT
"""How the broker stands: since when, by which rules, with what held. In full, and in a line."""

import os
from collections.abc import Mapping, Sequence
from time import CLOCK_REALTIME, clock_gettime_ns

from fdbrokerd.audit import AuditLog
from fdbrokerd.broker import Broker
from fdbrokerd.determinable import undeterminable
from fdbrokerd.leases import Leases
from fdbrokerd.store.store import Store
from fdbrokerd.version import __version__


class Standing:
    """What is told of a broker. Owns nothing of what it tells of."""

    def __init__(
        self, broker: Broker, leases: Leases, store: Store, log: AuditLog, *, durable: bool
    ) -> None:
        self._broker = broker
        self._leases = leases
        self._store = store
        self._log = log
        self._durable = durable
        self._started_usec = self._loaded_usec = _now_usec()
        self._generation = 1
        self._undeterminable = undeterminable()
        self._problem: str | None = None

    def loaded(self) -> None:
        """Note that new rules are in force."""
        self._generation += 1
        self._loaded_usec = _now_usec()
        self._problem = None

    def failed(self, problem: str) -> None:
        """Note why they are not."""
        self._problem = problem

    def status(self, addresses: Sequence[str], connections: int) -> Mapping[str, object]:
        """Return what io.fdbroker.Manager.Status says."""
        ruleset = self._broker.in_force.ruleset
        return {
            "version": __version__,
            "pid": os.getpid(),
            "startedUSec": self._started_usec,
            "listeners": addresses,
            "ruleset": {
                "generation": self._generation,
                "loadedUSec": self._loaded_usec,
                "files": ruleset.files,
                "resources": len(ruleset.resources),
                "rules": len(ruleset.rules),
            }
            | ({"problem": self._problem} if self._problem else {}),
            "connections": connections,
            "requests": self._broker.recorder.requests,
            "descriptors": self._broker.grants.descriptors,
            "leases": len(self._leases),
            "store": {
                "items": len(self._store),
                "descriptors": self._store.descriptors,
                "room": self._store.room,
                "durable": self._durable,
            },
            "auditLost": self._log.lost,
            "undeterminable": self._undeterminable,
            "impossible": self._broker.in_force.impossible,
        }

    def summary(self, addresses: Sequence[str]) -> str:
        """Return a line for `systemctl status` and for whoever starts it by hand."""
        ruleset = self._broker.in_force.ruleset
        counts = f"{len(ruleset.resources)} resources, {len(ruleset.rules)} rules"
        if self._problem:
            return f"Reload failed, older rules in force ({counts}): {self._problem}"
        serving = f"Serving {counts} at {', '.join(addresses)}"
        if warnings := len(self._broker.in_force.impossible):
            serving += f"; {warnings} warning{'s' if warnings > 1 else ''} (fdbrokerctl doctor)"
        if not any(one.holding for one in ruleset.resources.values()):
            return serving
        until = "kept by systemd" if self._durable else "which end with this process"
        return f"{serving}; holding {len(self._store)} items, {until}"


def _now_usec() -> int:
    return clock_gettime_ns(CLOCK_REALTIME) // 1000
