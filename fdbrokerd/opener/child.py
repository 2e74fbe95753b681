# SPDX-License-Identifier: MIT
"""What a child does: one job after the other, each answered with descriptors or an error."""

import os
import resource
import socket
import traceback
from contextlib import suppress

from fdbrokerd.accounts import user_name
from fdbrokerd.become import is_other
from fdbrokerd.errors import CallError, OpenFailed
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.kinds import WouldBlock, kind_of
from fdbrokerd.opened import Opened
from fdbrokerd.opener.answer import Answer, encode, failed, reason
from fdbrokerd.opener.deposit import take_in
from fdbrokerd.opener.intake import Intake
from fdbrokerd.opener.job import Discard, Job, LookUp, unpack
from fdbrokerd.opener.packet import DONE, receive, send

__all__ = ["Job", "open_now", "reason", "serve"]


def serve(channel: socket.socket) -> None:
    """Do jobs until the daemon is gone, or this process is of no use for another one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # 253 may come at once
    go_on = True
    while go_on:
        data, received, _ = receive(channel)
        if not data:
            return
        match unpack(data):
            case Job() as job:
                go_on = _open(channel, job)
            case LookUp() as job:
                go_on = _look_up(channel, job)
            case Intake() as job:
                go_on = _take_in(channel, job, received)
            case Discard():
                go_on = _discard(channel, received)


def _open(channel: socket.socket, job: Job) -> bool:
    """Open; tell whether to go on."""
    try:
        opened = open_now(job, may_wait=True)
    except CallError as error:
        send(channel, encode(failed(error, ends=is_other())))
        return not is_other()
    numbers = tuple(one.fileno() for one in opened.descriptors)
    copies = opened.afterwards is not None
    answer = Answer(list(opened.names), dict(opened.properties), copies=copies, ends=is_other())
    send(channel, encode(answer), numbers)
    opened.close()
    if opened.afterwards is not None:
        opened.afterwards()
    return not copies and not is_other()


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


def _look_up(channel: socket.socket, job: LookUp) -> bool:
    try:
        answer = Answer(user=user_name(job.uid))
    except OSError as error:
        failure = OpenFailed.of(job.subject, error.errno or 0)
        failure.__cause__ = error
        answer = failed(failure)
    send(channel, encode(answer))
    return True


def _take_in(channel: socket.socket, job: Intake, received: list[OwnedFd]) -> bool:
    """Receive what a peer put, and say what it is before anything of it is closed.

    What was refused is never closed by name, only by the end of this process, which the daemon
    brings about as soon as it knows: then a socket does not linger, and what still hangs is a
    process of no use. What was taken is closed when the daemon has it: closed earlier, what does
    not fit into the daemon any more would be closed last by the daemon.
    """
    (deposit,) = received
    held: list[OwnedFd] = []
    with socket.socket(fileno=deposit.detach()) as source:
        try:
            judged = take_in(job, source, held)
            send(channel, encode(Answer(judged=judged)), [one.fileno() for one in held])
            if not channel.recv(1):
                _wait_for_end(channel)
        except CallError as error:
            send(channel, encode(failed(error)))
            _wait_for_end(channel)
        except ConnectionError:  # the daemon was killed: nobody is left to tell
            _wait_for_end(channel)
        except BaseException:  # noqa: BLE001 (unwinding would close what is held)
            traceback.print_exc()
            _wait_for_end(channel)
    return _closed(channel, held)


def _wait_for_end(channel: socket.socket) -> None:
    """End without another word, and without closing anything first."""
    with suppress(OSError):
        channel.shutdown(socket.SHUT_WR)
        channel.recv(1)
    os._exit(1)


def _discard(channel: socket.socket, received: list[OwnedFd]) -> bool:
    """Close what came, once the daemon has closed its copies."""
    if not channel.recv(1):
        return False
    return _closed(channel, received)


def _closed(channel: socket.socket, descriptors: list[OwnedFd]) -> bool:
    close_all(descriptors)
    send(channel, DONE)
    return True
