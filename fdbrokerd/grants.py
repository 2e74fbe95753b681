# SPDX-License-Identifier: MIT
"""The hand-over: the answer with descriptors, and what follows from how it went."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from msgspec import UNSET, Raw, Struct, UnsetType, json

from fdbrokerd.asking import Asking
from fdbrokerd.audit.record import GRANTED
from fdbrokerd.errors import Unavailable
from fdbrokerd.exchange import Answer
from fdbrokerd.leases import Admission, Leases
from fdbrokerd.messages import encode_reply
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.opened import Opened
from fdbrokerd.recorder import Recorder, without_descriptors

MAX_KINDS = 64
"""Lists of names that are kept encoded: each kind has one, and some more for each count."""


class Grant(Answer):
    """Descriptors on their way to a peer.

    `name` is what they were asked for by. `then` is told once whether they arrived, or why not.
    One object, not an answer and closures over what is to follow: each costs as much as a call of
    the system.
    """

    __slots__ = ("_grants", "asking", "name", "then")

    def __init__(
        self,
        grants: "Grants",
        asking: Asking,
        name: str,
        opened: Opened,
        data: bytes = b"",
        then: Callable[[str], None] | None = None,
    ) -> None:
        self.data = data
        self.opened = opened
        self.continues = False
        self.asking = asking
        self.name = name
        self.then = then
        self._grants = grants

    def delivered(self, failure: str = "") -> None:
        """Close the descriptors, count or undo, and have it recorded."""
        assert self.opened is not None
        self.opened.close()
        self._grants.delivered(self, failure)

    def instead(self, errno: int) -> Answer:
        """Return the answer for a peer that the kernel gives no descriptors to."""
        return without_descriptors(self.name, errno)


class Grants:
    """Hands over, and counts what was."""

    def __init__(self, leases: Leases, recorder: Recorder) -> None:
        self.descriptors = 0
        self._leases = leases
        self._recorder = recorder

    def hand_over(self, grant: Grant, lease: str, ruleset: Ruleset) -> None:
        """Answer with the descriptors; unless the record must be there first and cannot be."""
        asking, opened = grant.asking, grant.opened
        assert opened is not None
        record, log = asking.record, self._recorder.log
        record.lease = lease
        record.descriptors = len(opened.descriptors)
        record.outcome = GRANTED
        if log.required and not log.write_now(record):
            opened.close()
            reason = "the record could not be written first"
            self._undo(grant, reason)
            record.lease, record.descriptors, record.detail = "", 0, reason
            self._recorder.refuse(asking, Unavailable(resource=grant.name), ruleset)
            return
        self._recorder.requests += 1
        asking.finish(grant)

    def lease(self, admission: Admission | None) -> str:
        """Return the id of the lease that a hand-over begins, empty where nothing is counted."""
        return "" if admission is None else self._leases.keep(admission)

    def _undo(self, grant: Grant, failure: str) -> None:
        asking = grant.asking
        self._leases.release(asking.record.lease, asking.caller.peer.uid)
        if grant.then is not None:
            grant.then(failure)

    def delivered(self, grant: Grant, failure: str) -> None:
        """Go on when an answer has left, or cannot leave."""
        record = grant.asking.record
        if failure:
            self._undo(grant, failure)
        else:
            self.descriptors += record.descriptors
            if grant.then is not None:
                grant.then("")
        if failure or not self._recorder.log.required:
            self._recorder.write(record, failure)


class Granted(Struct, kw_only=True):
    """The parameters of the answer to a Get or, with a transaction, a Take."""

    transaction: str | UnsetType = UNSET
    grant: str
    resource: str
    kind: str
    descriptors: Raw
    properties: Mapping[str, str]
    revocable: bool = False


@lru_cache(MAX_KINDS)
def _announced(names: tuple[str, ...]) -> Raw:
    """Return the descriptors of an answer as it announces them."""
    announced = [{"name": name, "fileDescriptor": index} for index, name in enumerate(names)]
    return Raw(json.encode(announced))


def encoded(name: str, kind: str, opened: Opened, lease: str = "", transaction: str = "") -> bytes:
    """Return the answer of a grant; `transaction` is that of a Take, empty otherwise."""
    return encode_reply(
        Granted(
            transaction=transaction or UNSET,
            grant=lease,
            resource=name,
            kind=kind,
            descriptors=_announced(opened.names),
            properties=opened.properties,
        )
    )
