# SPDX-License-Identifier: MIT
"""The hand-over: the answer with descriptors, and what follows from how it went."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fdbrokerd.asking import Asking
from fdbrokerd.audit.record import GRANTED
from fdbrokerd.errors import Unavailable
from fdbrokerd.exchange import Answer
from fdbrokerd.leases import Admission, Leases
from fdbrokerd.messages import encode_reply
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.opened import Opened
from fdbrokerd.recorder import Recorder, without_descriptors


@dataclass(slots=True)
class Grant:
    """What is handed over. `transaction` is that of a Take, empty otherwise.

    `delivered` is told once whether it arrived, or why it did not. `encoded` is the answer, where
    the same was given before. Not frozen: that costs more than making the answer does.
    """

    name: str
    kind: str
    opened: Opened
    admission: Admission | None
    transaction: str = ""
    delivered: Callable[[str], None] = lambda _: None
    encoded: bytes | None = None


class Grants:
    """Hands over, and counts what was."""

    def __init__(self, leases: Leases, recorder: Recorder) -> None:
        self.descriptors = 0
        self._leases = leases
        self._recorder = recorder

    def hand_over(self, asking: Asking, grant: Grant, ruleset: Ruleset) -> None:
        """Answer with the descriptors; unless the record must be there first and cannot be."""
        record, log = asking.record, self._recorder.log
        peer, opened = asking.caller.peer, grant.opened
        record.lease = "" if grant.admission is None else self._leases.keep(grant.admission)
        record.descriptors = len(opened.descriptors)
        record.outcome = GRANTED

        def undo(failure: str) -> None:
            self._leases.release(record.lease, peer.uid)
            grant.delivered(failure)

        if log.required and not log.write_now(record):
            opened.close()
            undo("the record could not be written first")
            record.lease, record.descriptors = "", 0
            record.detail = "the record could not be written first"
            self._recorder.refuse(asking, Unavailable(resource=grant.name), ruleset)
            return

        def delivered(failure: str) -> None:
            if failure:
                undo(failure)
            else:
                self.descriptors += record.descriptors
                grant.delivered("")
            if failure or not log.required:
                self._recorder.write(record, failure)

        self._recorder.requests += 1
        data = grant.encoded or encode_reply(_reply(grant, record.lease))
        asking.finish(Answer(data, delivered, opened, partial(without_descriptors, grant.name)))


def encoded(grant: Grant) -> bytes:
    """Return the answer of a grant that is no lease: the same whenever it is handed over."""
    return encode_reply(_reply(grant, ""))


def _reply(grant: Grant, lease: str) -> dict[str, object]:
    announced = [
        {"name": name, "fileDescriptor": index} for index, name in enumerate(grant.opened.names)
    ]
    reply: dict[str, object] = {} if not grant.transaction else {"transaction": grant.transaction}
    return reply | {
        "grant": lease,
        "resource": grant.name,
        "kind": grant.kind,
        "descriptors": announced,
        "properties": grant.opened.properties,
        "revocable": False,
    }
