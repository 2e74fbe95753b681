# SPDX-License-Identifier: MIT
"""Puts and takes that have begun and are not committed yet.

A transaction belongs to the connection that began it, and ends with that: a Put is undone, a Take
given back. Only one whose Commit is under way goes on. Its name is random, so a Commit can be
repeated by whoever has it and is the same user, when the answer was lost.
"""

import os
import socket
from collections.abc import Iterator

from msgspec import Struct

from fdbrokerd.errors import Busy, InvalidParameter, LimitReached
from fdbrokerd.exchange import Caller
from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.resource import Resource
from fdbrokerd.store.item import Item

MAX_TRANSACTIONS_PER_UID = 256
"""Each open Put holds a socket here, in which as many descriptors wait as its peer may send."""

MAX_TRANSACTIONS_PER_CONNECTION = 64
"""Calls are made one after the other; who needs more at once is not one program."""


class Taking(Struct, eq=False):
    """A Take that waits for its Commit. `ticket` is that of its reservation."""

    caller: Caller
    name: str
    ticket: int


class Putting(Struct, eq=False):
    """A Put that waits for its Commit. `item` has no parts yet; the deposit is owned here.

    `user` is the peer's name, where the resource's names asked for it when it began.
    """

    caller: Caller
    resource: Resource
    item: Item
    names: tuple[str, ...]
    replace: bool
    deposit: OwnedFd
    user: str | None = None
    committing: bool = False


Transaction = Taking | Putting


class Transactions:
    """All that have begun, by name."""

    def __init__(self) -> None:
        self._open: dict[str, Transaction] = {}
        self._of_caller: dict[Caller, list[str]] = {}
        self._of_uid: dict[int, int] = {}

    def check(self, caller: Caller) -> None:
        """Raise LimitReached for a peer that has begun too many."""
        if (
            len(self._of_caller.get(caller, ())) >= MAX_TRANSACTIONS_PER_CONNECTION
            or self._of_uid.get(caller.peer.uid, 0) >= MAX_TRANSACTIONS_PER_UID
        ):
            raise LimitReached(limit="transactions")

    def begin(self, name: str, transaction: Transaction) -> None:
        """Remember one."""
        caller = transaction.caller
        self._open[name] = transaction
        self._of_caller.setdefault(caller, []).append(name)
        self._of_uid[caller.peer.uid] = self._of_uid.get(caller.peer.uid, 0) + 1

    def find(self, name: str, caller: Caller) -> Transaction | None:
        """Return what this connection began, None for a name that is not open.

        Raises Busy for one of the same user that is being committed by a connection that was lost,
        InvalidParameter for any other that is not this connection's.
        """
        transaction = self._open.get(name)
        if transaction is None:
            return None
        committing = isinstance(transaction, Putting) and transaction.committing
        if committing and transaction.caller.peer.uid == caller.peer.uid:
            assert isinstance(transaction, Putting)
            raise Busy(resource=transaction.item.name)
        if transaction.caller is not caller:
            raise InvalidParameter(parameter="transaction")
        return transaction

    def end(self, name: str) -> bool:
        """Forget one; tell whether it was there."""
        transaction = self._open.pop(name, None)
        if transaction is None:
            return False
        caller = transaction.caller
        names = self._of_caller[caller]
        names.remove(name)
        if not names:
            del self._of_caller[caller]
        self._of_uid[caller.peer.uid] -= 1
        if not self._of_uid[caller.peer.uid]:
            del self._of_uid[caller.peer.uid]
        return True

    def abandoned(self, caller: Caller) -> Iterator[Transaction]:
        """End, and yield, what a connection that has ended left, save what is being committed."""
        for name in tuple(self._of_caller.get(caller, ())):
            transaction = self._open[name]
            if isinstance(transaction, Putting) and transaction.committing:
                continue
            self.end(name)
            yield transaction


def new_name() -> str:
    """Return a name that nobody can guess."""
    return os.urandom(16).hex()


def deposit() -> tuple[OwnedFd, OwnedFd]:
    """Return both ends of the socket that carries a Put's descriptors: ours, and the peer's.

    SOCK_SEQPACKET keeps what was sent together apart from anything else. Ours is not looked at
    before the Commit, and never received from here.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return OwnedFd(ours.detach()), OwnedFd(theirs.detach())
