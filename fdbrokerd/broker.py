# SPDX-License-Identifier: MIT
"""One call in, one answer out. The only place where a question becomes descriptors.

A request is one straight line, down `_get`: what is asked for, do the rules allow it, is there
room, open it, hand it over. Nothing here knows a socket. Every way out makes exactly one record.
"""

import itertools
import secrets
from collections.abc import Callable
from errno import ETOOMANYREFS
from typing import Protocol

from fdbrokerd.administration import Host, administer
from fdbrokerd.asked import InForce, asked
from fdbrokerd.audit import AuditLog, Record
from fdbrokerd.audit.record import DENIED, FAILED, GRANTED
from fdbrokerd.calls import ExplainOther, Get, Reload, Status, WhoCan
from fdbrokerd.denials import Denials
from fdbrokerd.errors import Busy, CallError, Denied, OpenFailed, PermissionDenied, Unavailable
from fdbrokerd.exchange import Answer, Caller, Reply
from fdbrokerd.kinds import WouldBlock, kind_of
from fdbrokerd.leases import Admission, Leases
from fdbrokerd.messages import Call, encode_error, encode_reply
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Resource
from fdbrokerd.opened import Opened
from fdbrokerd.opener.child import Job, open_now, reason
from fdbrokerd.policy import decide
from fdbrokerd.questions import reply_to

Done = Callable[[Opened | CallError], None]


class Opener(Protocol):
    """Opens in a child what may block."""

    def open(self, job: Job, done: Done) -> None:
        """Open it and call `done` once, later. Raises CallError where there is no child for it."""
        ...


class Broker:
    """The rules in force, what is out under them, and the answers."""

    def __init__(
        self, in_force: InForce, leases: Leases, log: AuditLog, opener: Opener, host: Host
    ) -> None:
        self.in_force = in_force
        """Replaced whole; a request keeps what it began with."""
        self.requests = 0
        self.descriptors = 0
        self._leases = leases
        self._log = log
        self._opener = opener
        self._host = host
        self._denials = Denials()
        self._serials = itertools.count(1)
        self._start = secrets.token_hex(4)

    def answer(self, caller: Caller, call: Call, reply: Reply) -> None:
        """Answer a call by calling `reply` exactly once, now or later."""
        in_force = self.in_force
        record = self.new_record(caller.peer, call.method)
        try:
            if call.problem is not None:
                raise call.problem
            assert call.parameters is not None, "a call without a problem has parameters"
            if isinstance(call.parameters, Get):
                self._get(call.parameters, caller, in_force, record, reply)
                return
            if isinstance(call.parameters, Status | Reload | ExplainOther | WhoCan):
                result = administer(call.parameters, caller, in_force, self._host, self._denials)
            else:
                result = reply_to(call.parameters, caller, in_force, self._leases, record)
        except CallError as error:
            if isinstance(error, Denied):
                self._denials.add(
                    record.request, caller, record.resource, record.arguments, in_force.ruleset
                )
            reply(self._refuse(error, record))
        else:
            reply(self._finish(encode_reply(result), record))

    def _get(
        self, get: Get, caller: Caller, in_force: InForce, record: Record, reply: Reply
    ) -> None:
        """Decide, count, open, and hand over."""
        peer = caller.peer
        resource, request = asked(in_force.ruleset, caller, get, record)
        verdict = decide(in_force.ruleset, peer, request)
        record.verdict = "allow" if verdict.allowed else "deny"
        record.rules = verdict.rule_ids
        if not verdict.allowed:
            raise Denied(resource=get.resource, hint=verdict.hint, request=record.request)
        try:
            admission = self._leases.admit(
                verdict, peer, resource.name, request.count, caller.process_of
            )
        except OSError as error:  # the peer's process is gone
            raise OpenFailed.of(resource.name, error.errno or 0) from error

        def done(outcome: Opened | CallError) -> None:
            if isinstance(outcome, CallError):
                if admission is not None:
                    self._leases.cancel(admission)
                reply(self._refuse(outcome, record))
            else:
                reply(self._grant(outcome, resource, admission, record, peer))

        self._open(Job(resource.kind, resource.spec, request, peer), done)

    def _open(self, job: Job, done: Done) -> None:
        """Open it here, or in a child where it may block."""
        try:
            if not kind_of(job.kind).may_block(job.spec):
                try:
                    opened = open_now(job, may_wait=False)
                except WouldBlock:
                    pass  # it left the file systems that cannot hang
                else:
                    done(opened)
                    return
            self._opener.open(job, done)
        except CallError as error:
            done(error)

    def _grant(
        self,
        opened: Opened,
        resource: Resource,
        admission: Admission | None,
        record: Record,
        peer: Peer,
    ) -> Answer:
        """Return the answer that hands over what was opened."""
        record.lease = "" if admission is None else self._leases.keep(admission)
        record.descriptors = len(opened.descriptors)
        record.outcome = GRANTED
        if self._log.required and not self._log.write_now(record):
            opened.close()
            self._leases.release(record.lease, peer.uid)
            record.lease, record.descriptors = "", 0
            record.detail = "the record could not be written first"
            return self._refuse(Unavailable(resource=resource.name), record)
        announced = [
            {"name": name, "fileDescriptor": index} for index, name in enumerate(opened.names)
        ]
        reply = {
            "grant": record.lease,
            "resource": resource.name,
            "kind": resource.kind,
            "descriptors": announced,
            "properties": opened.properties,
            "revocable": False,
        }

        def delivered(failure: str) -> None:
            if failure:
                self._leases.release(record.lease, peer.uid)
            else:
                self.descriptors += record.descriptors
            if failure or not self._log.required:
                self._write(record, failure)

        def instead(errno: int) -> Answer:
            """Return the error for a peer that is given no descriptors; its record is written.

            ETOOMANYREFS: too many that we sent were not received yet. EPERM: it refuses them.
            """
            error: CallError = OpenFailed.of(resource.name, errno)
            if errno == ETOOMANYREFS:
                error = Busy(resource=resource.name)
            return Answer(encode_error(error), lambda _: None)

        self.requests += 1
        return Answer(encode_reply(reply), delivered, opened, instead)

    def _refuse(self, error: CallError, record: Record) -> Answer:
        """Return the answer that carries an error."""
        if isinstance(error, Denied | PermissionDenied):
            record.outcome = DENIED
        else:
            record.outcome = FAILED
            record.detail = record.detail or reason(error) or str(error)
        return self._finish(encode_error(error), record)

    def _finish(self, data: bytes, record: Record) -> Answer:
        """Return an answer without descriptors; the record is written when it has left."""
        self.requests += 1
        return Answer(data, lambda failure: self._write(record, failure))

    def new_record(self, peer: Peer | None, method: str = "") -> Record:
        """Begin the record of a request, with an id that no other request of this machine has."""
        return Record(peer, f"{self._start}-{next(self._serials):x}", method)

    def hung_up(self, record: Record) -> None:
        """Have the record of a connection that was hung up written."""
        self._write(record, "")

    def _write(self, record: Record, failure: str) -> None:
        """Have a record written when the loop's turn is over."""
        if failure:
            record.outcome, record.detail = FAILED, failure
        if self._log.add(record):
            self._host.write_soon()
