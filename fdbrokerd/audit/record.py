# SPDX-License-Identifier: MIT
"""One record: its values, its line of JSON, and its fields in the journal."""

import re
from collections.abc import Mapping
from time import CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime_ns

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


class Record:
    """One request from its beginning; filled in on its way, written once at its end."""

    __slots__ = (
        "arguments",
        "begun_ns",
        "descriptors",
        "detail",
        "lease",
        "method",
        "outcome",
        "peer",
        "request",
        "resource",
        "rules",
        "time_usec",
        "verdict",
    )

    def __init__(self, peer: Peer | None, request: str, method: str = "") -> None:
        self.time_usec = clock_gettime_ns(CLOCK_REALTIME) // 1000
        self.begun_ns = clock_gettime_ns(CLOCK_MONOTONIC)
        self.peer = peer
        self.request = request
        self.method = method
        self.resource = ""
        self.arguments: Mapping[str, str] = NO_ARGUMENTS
        self.verdict = ""
        self.rules: tuple[str, ...] = ()
        self.descriptors = 0
        self.lease = ""
        self.outcome = ANSWERED
        self.detail = ""

    def values(self) -> dict[str, object]:
        """Return the record for a line of JSON."""
        peer = self.peer
        return {
            "time": self.time_usec,
            "request": self.request,
            "peer": None if peer is None else {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid},
            "method": self.method,
            "resource": self.resource,
            "arguments": dict(self.arguments),
            "verdict": self.verdict,
            "rules": self.rules,
            "descriptors": self.descriptors,
            "lease": self.lease,
            "outcome": self.outcome,
            "detail": self.detail,
            "duration": (clock_gettime_ns(CLOCK_MONOTONIC) - self.begun_ns) // 1000,
        }

    def message(self) -> str:
        """Return a sentence for a person; what a peer wrote is in it only as a plain name."""
        who = "somebody" if self.peer is None else f"uid {self.peer.uid} (pid {self.peer.pid})"
        words = (self.method.rpartition(".")[2], self.resource)
        told = " ".join(word for word in words if _PLAIN.fullmatch(word))
        reason = f": {self.detail}" if self.detail else ""
        return f"{self.outcome.capitalize()} {told} for {who}{reason}".replace("  ", " ")

    def fields(self, values: Mapping[str, object]) -> dict[str, str]:
        """Return the fields for the journal (systemd.journal-fields(7)), made of `values()`."""
        fields = {
            "MESSAGE": self.message(),
            "MESSAGE_ID": VIOLATION_ID if self.outcome == HUNG_UP else REQUEST_ID,
            "PRIORITY": str(_PRIORITIES[self.outcome]),
            "SYSLOG_IDENTIFIER": "fdbrokerd",
            "FDBROKER_REQUEST": self.request,
            "FDBROKER_METHOD": self.method,
            "FDBROKER_OUTCOME": self.outcome,
            "FDBROKER_DURATION_USEC": str(values["duration"]),
        }
        if self.peer is not None:
            fields["FDBROKER_PEER_UID"] = str(self.peer.uid)
            fields["FDBROKER_PEER_GID"] = str(self.peer.gid)
            fields["FDBROKER_PEER_PID"] = str(self.peer.pid)
        optional = {
            "FDBROKER_RESOURCE": self.resource,
            "FDBROKER_ARGUMENTS": _encoder.encode(values["arguments"]).decode()
            if self.arguments
            else "",
            "FDBROKER_VERDICT": self.verdict,
            "FDBROKER_RULE": " ".join(self.rules),
            "FDBROKER_DESCRIPTORS": str(self.descriptors) if self.descriptors else "",
            "FDBROKER_LEASE": self.lease,
            "FDBROKER_DETAIL": self.detail,
        }
        return fields | {name: value for name, value in optional.items() if value}


def line(values: Mapping[str, object]) -> bytes:
    """Return the record as a line of JSON.

    msgspec escapes all of C0; DEL, C1 and the Unicode line separators, which it does not, cannot
    get here: names and values that hold them were refused.
    """
    return _encoder.encode(values) + b"\n"


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
