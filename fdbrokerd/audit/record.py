# SPDX-License-Identifier: MIT
"""One record: its values, its line of JSON, and its fields in the journal."""

import re
from collections.abc import Iterable, Mapping
from time import monotonic_ns

import msgspec

from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import ITEM_NAME, NO_ARGUMENTS, RESOURCE_NAME

REQUEST_ID = "6c2e4b0b7f1d4a37b1a5f0f7d9c3e815"
"""MESSAGE_ID of a request that was answered, whatever the answer."""

VIOLATION_ID = "f1b0a3e6a2c94d0d8d5f1be0a4c7d926"
"""MESSAGE_ID of a connection that was hung up because of what its peer sent or is."""

GRANTED, DENIED, FAILED, ANSWERED, HUNG_UP = "granted", "denied", "failed", "answered", "hung-up"

_PLAIN = re.compile(rf"{RESOURCE_NAME.pattern}(?:/{ITEM_NAME.pattern})?")
"""A method, a resource or an item."""

_PRIORITIES = {GRANTED: 6, ANSWERED: 6, DENIED: 5, FAILED: 4, HUNG_UP: 4}
_encoder = msgspec.json.Encoder()


class Who(msgspec.Struct):
    """The peer of a line."""

    pid: int
    uid: int
    gid: int


class Line(msgspec.Struct):
    """A line of JSON, its keys in order."""

    time: int
    request: str
    peer: Who | None
    method: str
    resource: str
    arguments: dict[str, str]
    verdict: str
    rules: tuple[str, ...]
    descriptors: int
    lease: str
    outcome: str
    detail: str
    duration: int


class Record(msgspec.Struct, eq=False):
    """One request from its beginning; filled in on its way, written once at its end.

    A msgspec.Struct, as all that each request makes: one with `__slots__` takes twice the time.
    """

    peer: Peer | None
    request: str
    method: str = ""
    begun_ns: int = msgspec.field(default_factory=monotonic_ns)
    """On CLOCK_MONOTONIC, as `ended_ns` is; the time of day is asked for when it is written."""
    ended_ns: int = 0
    resource: str = ""
    arguments: Mapping[str, str] = NO_ARGUMENTS
    verdict: str = ""
    rules: tuple[str, ...] = ()
    descriptors: int = 0
    lease: str = ""
    outcome: str = ANSWERED
    detail: str = ""

    def line(self, zero_ns: int) -> Line:
        """Return the record for a line of JSON. `zero_ns`: when CLOCK_MONOTONIC was 0."""
        peer = self.peer
        return Line(
            (zero_ns + self.begun_ns) // 1000,
            self.request,
            None if peer is None else Who(peer.pid, peer.uid, peer.gid),
            self.method,
            self.resource,
            dict(self.arguments) if self.arguments else {},
            self.verdict,
            self.rules,
            self.descriptors,
            self.lease,
            self.outcome,
            self.detail,
            self.duration_usec,
        )

    @property
    def duration_usec(self) -> int:
        """Return how long it took to answer."""
        return (self.ended_ns - self.begun_ns) // 1000

    def message(self) -> str:
        """Return a sentence for a person; what a peer wrote is in it only as a plain name."""
        who = "somebody" if self.peer is None else f"uid {self.peer.uid} (pid {self.peer.pid})"
        words = (self.method.rpartition(".")[2], self.resource)
        told = " ".join(word for word in words if _PLAIN.fullmatch(word))
        reason = f": {self.detail}" if self.detail else ""
        return f"{self.outcome.capitalize()} {told} for {who}{reason}".replace("  ", " ")

    def fields(self) -> dict[str, str]:
        """Return the fields for the journal (systemd.journal-fields(7))."""
        fields = {
            "MESSAGE": self.message(),
            "MESSAGE_ID": VIOLATION_ID if self.outcome == HUNG_UP else REQUEST_ID,
            "PRIORITY": str(_PRIORITIES[self.outcome]),
            "SYSLOG_IDENTIFIER": "fdbrokerd",
            "FDBROKER_REQUEST": self.request,
            "FDBROKER_METHOD": self.method,
            "FDBROKER_OUTCOME": self.outcome,
            "FDBROKER_DURATION_USEC": str(self.duration_usec),
        }
        if self.peer is not None:
            fields["FDBROKER_PEER_UID"] = str(self.peer.uid)
            fields["FDBROKER_PEER_GID"] = str(self.peer.gid)
            fields["FDBROKER_PEER_PID"] = str(self.peer.pid)
        optional = {
            "FDBROKER_RESOURCE": self.resource,
            "FDBROKER_ARGUMENTS": _encoder.encode(dict(self.arguments)).decode()
            if self.arguments
            else "",
            "FDBROKER_VERDICT": self.verdict,
            "FDBROKER_RULE": " ".join(self.rules),
            "FDBROKER_DESCRIPTORS": str(self.descriptors) if self.descriptors else "",
            "FDBROKER_LEASE": self.lease,
            "FDBROKER_DETAIL": self.detail,
        }
        return fields | {name: value for name, value in optional.items() if value}


def lines(records: Iterable[Record], zero_ns: int) -> bytes:
    """Return records as lines of JSON.

    msgspec escapes all of C0; DEL, C1 and the Unicode line separators, which it does not, cannot
    get here: names and values that hold them were refused.
    """
    made = [one.line(zero_ns) for one in records]
    try:
        return _encoder.encode_lines(made)
    except UnicodeEncodeError:  # a lone surrogate, of a file's or program's name that is not UTF-8
        return b"".join(_encoded(one) for one in made)


def _encoded(made: Line) -> bytes:
    """Return a line, with what is not UTF-8 written out, as `datagram` does."""
    plain = {
        name: value.encode("utf-8", "backslashreplace").decode()
        if isinstance(value, str)
        else value
        for name, value in msgspec.structs.asdict(made).items()
    }
    return _encoder.encode(plain) + b"\n"


def datagram(fields: Mapping[str, str]) -> bytes:
    """Return the fields as the journal's native protocol has them.

    A value with a newline is sent with its length, so it cannot begin a field of its own.
    """
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)
