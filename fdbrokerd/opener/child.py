# SPDX-License-Identifier: MIT
"""What a child does: one job after the other, each answered with descriptors or an error.

Jobs come pickled from the daemon, which a child trusts wholly. Answers go back as JSON, which the
daemon reads strictly: a child has seen names and file systems that others made.
"""

import pickle
import socket
import struct
import traceback
from dataclasses import dataclass

import msgspec

from fdbrokerd.errors import CallError, OpenFailed, wire_errors
from fdbrokerd.kinds import WouldBlock, kind_of
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.opened import Opened

MAX_JOB_BYTES = 128 * 1024
"""A resource, its arguments and a peer: a few KiB, and 64 arguments at the most."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be opened for whom: a kind, its own specification of the resource, the request."""

    kind: str
    spec: object
    request: Request
    peer: Peer


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a job went: names and properties, or an error by its wire name with a reason for the log.

    `copies`: the child goes on copying by itself and takes no further job.
    """

    names: list[str] = []
    properties: dict[str, str] = {}
    error: str = ""
    parameters: dict[str, str | int] = {}
    detail: str = ""
    copies: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Answer)


def serve(channel: socket.socket) -> None:
    """Answer jobs until the daemon is gone, or what was opened needs this process to go on."""
    while data := channel.recv(MAX_JOB_BYTES):
        job = pickle.loads(data)  # noqa: S301 (from the process that forked us)
        assert isinstance(job, Job)
        try:
            opened = open_now(job, may_wait=True)
        except CallError as error:
            _answer(channel, _failed(error), ())
            continue
        numbers = tuple(one.fileno() for one in opened.descriptors)
        copies = opened.afterwards is not None
        answer = Answer(list(opened.names), dict(opened.properties), copies=copies)
        _answer(channel, answer, numbers)
        opened.close()
        if opened.afterwards is not None:
            opened.afterwards()
            return


def open_now(job: Job, *, may_wait: bool) -> Opened:
    """Do a job in this process; raise CallError, with the system's reason as its cause.

    A kind may be another package's, and what it raises of its own is a fault that the journal gets
    with its traceback: the request fails like any other, with its record and its lease ended.
    """
    try:
        return kind_of(job.kind).open(job.spec, job.request, job.peer, may_wait=may_wait)
    except (CallError, WouldBlock):
        raise
    except OSError as error:
        raise OpenFailed.of(job.request.resource, error.errno or 0) from error
    except Exception as fault:
        traceback.print_exc()
        raise OpenFailed.of(job.request.resource, 0) from fault


def reason(error: CallError) -> str:
    """Return what the system said, for the log; the peer is told the number alone."""
    return str(error.__cause__ or "")


def _failed(error: CallError) -> Answer:
    parameters = {
        name: value for name, value in error.parameters().items() if isinstance(value, str | int)
    }
    return Answer(error=error.wire_name, parameters=parameters, detail=reason(error))


def _answer(channel: socket.socket, answer: Answer, numbers: tuple[int, ...]) -> None:
    rights = struct.pack(f"{len(numbers)}i", *numbers)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if numbers else []
    channel.sendmsg([_encoder.encode(answer)], ancillary)


def pack(job: Job) -> bytes:
    """Return a job for a child."""
    return pickle.dumps(job)


def unpack(data: bytes) -> tuple[Answer, CallError | None]:
    """Return a child's answer, and the error that it stands for.

    Raises msgspec.DecodeError for what is none, KeyError for an error that is unknown.
    """
    answer = _decoder.decode(data)
    if not answer.error:
        return answer, None
    error = wire_errors()[answer.error](**answer.parameters)
    error.__cause__ = OSError(answer.detail)
    return answer, error
