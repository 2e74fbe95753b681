# SPDX-License-Identifier: MIT
"""Who may have a turn at once, without taking one from anybody."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fdbrokerd.server.turns import Turns

from .made import a_peer

if TYPE_CHECKING:
    from collections.abc import Callable


class Asker:
    """Asks for turns."""

    def __init__(self, uid: int, served: list[object]) -> None:
        self.caller = SimpleNamespace(peer=a_peer(uid))
        self._served = served

    def turn(self) -> None:
        """Note it."""
        self._served.append(self)


class Round:
    """What the loop does next, when the test says so."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.served: list[object] = []
        self.turns = Turns(self.soon.append)

    def connection(self, uid: int) -> Any:
        """Return what asks for turns as a connection of this uid does."""
        return Asker(uid, self.served)

    def go_on(self) -> None:
        """Do what is to be done by now."""
        waiting, self.soon[:] = list(self.soon), []
        for callback in waiting:
            callback()


def test_one_of_each_uid_in_a_round() -> None:
    loop = Round()
    first, second, other = loop.connection(1000), loop.connection(1000), loop.connection(1001)
    assert loop.turns.is_next(first)
    assert not loop.turns.is_next(second), "its uid has had its turn"
    assert loop.turns.is_next(other)
    assert loop.turns.is_next(first), "told of again, so another round has begun"


def test_nobody_overtakes_who_waits() -> None:
    loop = Round()
    first, second, other = loop.connection(1000), loop.connection(1000), loop.connection(1001)
    assert loop.turns.is_next(first)
    loop.turns.add(second)
    assert not loop.turns.is_next(first)
    assert not loop.turns.is_next(other)
    loop.go_on()
    assert len(loop.served) == 1
    assert loop.turns.is_next(second), "the first one may say nothing for a long time"


def test_who_has_gone_is_in_nobodys_way() -> None:
    loop = Round()
    first, second = loop.connection(1000), loop.connection(1000)
    assert loop.turns.is_next(first)
    loop.turns.forget(second)
    assert not loop.turns.is_next(second)
    loop.turns.forget(first)
    assert loop.turns.is_next(second)
