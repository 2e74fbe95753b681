# SPDX-License-Identifier: MIT
"""What a child says to the daemon: it has seen what others made, and may be theirs by now.

Every descriptor that came is in the outcome or was closed, and nothing but the errors that the pool
expects is raised.
"""

import os
from contextlib import suppress

import msgspec

from fdbrokerd.errors import CallError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import Own
from fdbrokerd.messages import encode_error
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened
from fdbrokerd.opener.answer import decode
from fdbrokerd.opener.intake import Intake, Received
from fdbrokerd.opener.job import Job, LookUp
from fdbrokerd.opener.pool import _outcome
from tests.fuzz.choices import Choices

TOKENS = (
    b'{"names":["a"]', b'{"names":["a","a"]', b'"properties":{"a":"b"}', b'"copies":true',
    b'"ends":true', b'{"judged":[{"type":"pipe","what":"pipe"}]',
    b'{"judged":[{"type":"file","what":"\\n"}]', b'{"user":"nobody"}', b'{"user":null}',
    b'{"error":"io.fdbroker.Broker.OpenFailed"',
    b'"parameters":{"resource":"a","errno":2,"errnoName":"ENOENT"}', b'"detail":"x"', b"}", b",",
    b'{"error":"io.fdbroker.Broker.Denied"', b"[[[[", b'{"parameters":{"x":1.5}}',
)  # fmt: skip

_JOBS = (
    Job("pty", None, Request("get", "a", {}), Peer(1, 1, 1, frozenset())),
    Intake(("a",), frozenset({"pipe"}), frozenset(), False, 1, "s/a", Own(1)),
    Intake(("a", "b"), frozenset({"pipe", "file"}), frozenset(), False, 1, "s/a", Own(1)),
    LookUp(1),
)

_EXPECTED = (msgspec.DecodeError, ValueError, KeyError, TypeError)
"""What Pool._answered takes for nonsense."""


def check(data: bytes) -> None:
    """Take it for the answer to a job."""
    choices = Choices(data)
    job = _JOBS[choices.below(len(_JOBS))]
    received = [_null() for _ in range(choices.below(4))]
    truncated = not choices.below(8)
    kept: list[OwnedFd] = []
    try:
        with suppress(*_EXPECTED):
            answer, error = decode(choices.rest())
            outcome = error or _outcome(job, answer, received, truncated=truncated)
            if isinstance(outcome, CallError):
                encode_error(outcome)
                str(outcome)
            elif isinstance(outcome, Opened):
                kept += outcome.descriptors
                assert kept == received, "a descriptor is nobody's"
                assert len(set(outcome.names)) == len(received)
            elif isinstance(outcome, Received):
                assert list(outcome.descriptors) == received
                assert outcome.names == job.names  # type: ignore[union-attr]
                assert all(one.what.isprintable() for one in outcome.judged)
            else:
                assert isinstance(job, LookUp)
                assert outcome is None or isinstance(outcome, str)
    finally:
        close_all(received)


def _null() -> OwnedFd:
    return OwnedFd(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
