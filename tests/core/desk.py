# SPDX-License-Identifier: MIT
"""A broker without a socket: real rules, leases, records and descriptors, and calls in JSON."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fdbrokerd.accounts import user_name
from fdbrokerd.asked import InForce
from fdbrokerd.audit import AuditLog
from fdbrokerd.broker import Broker
from fdbrokerd.errors import CallError, ReloadFailed
from fdbrokerd.exchange import Answer, Caller
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.fdstore import NoStore
from fdbrokerd.interfaces import BROKER, descriptions
from fdbrokerd.judge import Own
from fdbrokerd.leases import Leases
from fdbrokerd.messages import decode
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.resource import Resource
from fdbrokerd.model.rule import Rule
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.opened import Opened
from fdbrokerd.opener.child import Job, open_now
from fdbrokerd.opener.intake import Intake, Received
from fdbrokerd.server.kept import Kept
from fdbrokerd.server.revival import Surroundings, revive

from .idl import Interface, fits_fields
from .made import USER, a_peer

INTERFACES = {name: Interface(text) for name, text in descriptions().items()}
STATUS: Mapping[str, object] = {
    "version": "1", "pid": 1, "startedUSec": 1, "listeners": ["@x"], "connections": 1,
    "requests": 1, "descriptors": 1, "leases": 1, "auditLost": 0,
    "store": {"items": 0, "descriptors": 0, "room": 1, "durable": False},
    "undeterminable": {"label": "no security module"},
    "impossible": ["/etc/x.yaml:1:1: pty: a terminal for others takes CAP_CHOWN"],
    "ruleset": {"generation": 1, "loadedUSec": 1, "files": [], "resources": 1, "rules": 1},
}  # fmt: skip


class Later:
    """An opener that waits for the test."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Job, Callable[[Opened | CallError], None]]] = []
        self.full: CallError | None = None
        self.names: list[Callable[[str | CallError | None], None]] | None = None
        """Who waits for a user's name, where a test wants them to wait."""

    def open(self, job: Job, done: Callable[[Opened | CallError], None]) -> None:
        """Keep it until `work`."""
        if self.full is not None:
            raise self.full
        self.jobs.append((job, done))

    def look_up(self, uid: int, done: Callable[[str | CallError | None], None]) -> None:
        """Tell the user's name at once, or when the test does."""
        if self.names is None:
            done(user_name(uid))
        else:
            self.names.append(done)

    def intake(
        self, job: Intake, deposit: OwnedFd, done: Callable[[Received | CallError], None]
    ) -> None:
        """Fail: what is put goes through real children in other tests."""
        raise AssertionError(f"{job}, {deposit} for {done}")

    def drain(self, deposit: OwnedFd, uid: int) -> None:  # noqa: ARG002
        """Close it here: nobody sends anything that lingers."""
        deposit.close()

    def work(self) -> None:
        """Do what waits, as a child would."""
        for job, done in self.jobs:
            try:
                opened: Opened | CallError = open_now(job, may_wait=True)
            except CallError as error:
                opened = error
            done(opened)
        self.jobs = []


class Host:
    """The process that the broker believes to run in."""

    def __init__(self) -> None:
        self.reloads = 0
        self.problem: ReloadFailed | None = None
        self.write_soon: Callable[[], None] = lambda: None
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], object]:
        """Keep a timer for the test."""
        timer = (seconds, callback)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def clock(self) -> float:
        """Return a time that stands still."""
        return 0.0

    def own(self) -> Own:
        """Return what nobody puts here."""
        return Own(os.getpid())

    def status(self) -> Mapping[str, object]:
        """Return what would be true of a server."""
        return STATUS

    def reload(self) -> None:
        """Count it, or fail."""
        if self.problem is not None:
            raise self.problem
        self.reloads += 1


class Desk:
    """A broker, and whoever asks it."""

    def __init__(
        self,
        place: Path,
        resources: Iterable[Resource],
        rules: Iterable[Rule],
        admins: PeerMatch | None = None,
        *,
        file: str = "",
        required: bool = False,
    ) -> None:
        self.file = Path(file or place / "log")
        self.log = AuditLog(journal=False, file=str(self.file), required=required)
        self.opener = Later()
        self.host = Host()
        self.leases = Leases(lambda *_: None, lambda _: None, lambda: 0.0)
        in_force = InForce(Ruleset.of(resources, rules), admins)
        around = Surroundings(
            NoStore(100), close_all, lambda *_: None, lambda _: None, lambda _: None, print
        )
        self.store = revive(Kept(), around)
        self.broker = Broker(in_force, self.leases, self.log, self.opener, self.host, self.store)
        self.answers: list[Answer] = []

    def start(
        self, data: bytes, uid: int = USER, scope: tuple[str, ...] | None = None
    ) -> list[Answer]:
        """Have a call answered; return what was replied so far."""
        caller = Caller(a_peer(uid), lambda: OwnedFd(os.pidfd_open(os.getpid())), scope)
        self.answers = []
        self.broker.answer(caller, decode(data), self.answers.append)
        return self.answers

    def ask(
        self,
        method: str,
        uid: int = USER,
        scope: tuple[str, ...] | None = None,
        **parameters: object,
    ) -> Answer:
        """Ask, let the opener work, and return the one answer there must be."""
        if "." not in method:
            method = f"{BROKER}.{method}"
        self.start(json.dumps({"method": method, "parameters": parameters}).encode(), uid, scope)
        self.opener.work()
        (answer,) = self.answers
        check(method, told(answer))
        return answer

    def told(self, method: str, uid: int = USER, **parameters: Any) -> dict[str, Any]:
        """Ask, deliver, and return the reply or {"error": short name} with its parameters."""
        answer = self.ask(method, uid, **parameters)
        answer.delivered()
        reply = told(answer)
        error = reply.get("error", "").rpartition(".")[2]
        return {**({"error": error} if error else {}), **reply["parameters"]}

    def records(self) -> list[dict[str, Any]]:
        """Return what was recorded since the last time."""
        self.log.flush()
        lines = self.file.read_text().splitlines()
        os.truncate(self.file, 0)
        return [json.loads(line) for line in lines]

    def nothing_is_held(self) -> bool:
        """Tell whether no admission is left, kept or not."""
        return not (self.leases._held or self.leases._per_uid or len(self.leases))

    def close(self) -> None:
        """Close everything."""
        self.store.close()
        self.leases.close()
        self.log.close()


def told(answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer."""
    assert answer.data.endswith(b"\0")
    reply: dict[str, Any] = json.loads(answer.data[:-1])
    return reply


def check(method: str, reply: dict[str, Any]) -> None:
    """Hold a reply against the interface's description."""
    error = reply.get("error")
    interface, _, name = (error or method).rpartition(".")
    member = INTERFACES[interface].members[name]
    assert member.keyword == ("error" if error else "method")
    fields = member.fields if error else member.reply
    assert fits_fields(reply["parameters"], fields, INTERFACES[interface]), (method, reply)
