# SPDX-License-Identifier: MIT
"""How a request ends: its answer and its one record, whatever came of it."""

import itertools
import os
from collections.abc import Callable
from errno import ETOOMANYREFS
from functools import partial

from fdbrokerd.asking import Asking
from fdbrokerd.audit import AuditLog, Record
from fdbrokerd.audit.record import DENIED, FAILED
from fdbrokerd.denials import Denials
from fdbrokerd.errors import Busy, CallError, Denied, OpenFailed, PermissionDenied
from fdbrokerd.exchange import Answer, Awaited
from fdbrokerd.messages import encode_error, encode_reply
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.opener.child import reason

_VERBS = {"Put": "put", "Commit": "put", "Take": "take", "Remove": "remove", "Watch": "watch"}


class Recorder:
    """Ends requests, and counts them."""

    def __init__(self, log: AuditLog, write_soon: Callable[[], None]) -> None:
        """`write_soon` has the records that wait written when the loop's turn is over."""
        self.requests = 0
        self.denials = Denials()
        self.log = log
        self._write_soon = write_soon
        self._serials = itertools.count(1)
        self._start = os.urandom(4).hex()

    def begin(self, peer: Peer | None, method: str = "") -> Record:
        """Begin the record of a request, with an id that no other request of this machine has."""
        return Record(peer, f"{self._start}-{next(self._serials)}", method)

    def answer(self, asking: Asking, parameters: object) -> None:
        """Answer without descriptors."""
        self.finish(asking, encode_reply(parameters))

    def refuse(self, asking: Asking, error: CallError, ruleset: Ruleset) -> None:
        """Answer with an error; a denial is remembered with the rules that made it."""
        record = asking.record
        if isinstance(error, Denied):
            error.request = record.request
            verb = _VERBS.get(asking.call.method.rpartition(".")[2], "get")
            self.denials.add(record, asking.caller, verb, ruleset)
        if isinstance(error, Denied | PermissionDenied):
            record.outcome = DENIED
        else:
            record.outcome = FAILED
            record.detail = record.detail or reason(error) or str(error)
        self.finish(asking, encode_error(error))

    def finish(self, asking: Asking, data: bytes) -> None:
        """Answer with these bytes; the record is written when they have left."""
        self.requests += 1
        asking.finish(Awaited(data, partial(self.write, asking.record)))

    def write(self, record: Record, failure: str = "") -> None:
        """Have a record written when the loop's turn is over."""
        if failure:
            record.outcome, record.detail = FAILED, failure
        if self.log.add(record):
            self._write_soon()


def without_descriptors(name: str, errno: int) -> Answer:
    """Return the error for a peer that is given no descriptors; its record is written.

    ETOOMANYREFS: too many that we sent were not received yet. EPERM: it refuses them.
    """
    error: CallError = OpenFailed.of(name, errno)
    if errno == ETOOMANYREFS:
        error = Busy(resource=name)
    return Answer(encode_error(error))
