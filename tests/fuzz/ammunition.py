# SPDX-License-Identifier: MIT
"""What a storm sends: calls that are right, and what mutation makes of them, until one ends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from fdbrokerd.calls import Get, Take, Watch
from fdbrokerd.errors import ProtocolError
from fdbrokerd.messages import decode
from fdbrokerd.wire import MAX_MESSAGE_BYTES
from tests.daemon.wire import MANAGER, SERVICE, call, message

from .mutation import Mutator
from .targets.calls import TOKENS

CALLS = (
    call("WhoAmI"),
    call("List"),
    call("Get", resource="bell"),
    call("Get", resource="bell", count=3),
    call("Get", resource="pty", arguments={"rows": "24"}),
    call("Get", resource="note"),
    call("Get", resource="secret"),
    call("Get", resource="part", arguments={"name": "a"}),
    call("Get", resource="slots/a", waitUSec=1000),
    call("Explain", resource="pty", do="get"),
    call("Put", item="slots/a", names=["x"], metadata={"a": "b"}),
    call("Take", item="slots/a"),
    call("Commit", transaction="00"),
    call("Remove", item="slots/a"),
    message(method="io.fdbroker.Broker.Watch", parameters={"resource": "slots"}, more=True),
    message(method="io.fdbroker.Broker.Get", parameters={"resource": "bell"}, oneway=True),
    call("Release", grant="00"),
    call(f"{MANAGER}Status"),
    call(f"{MANAGER}Reload"),
    call(f"{MANAGER}WhoCan", resource="pty"),
    call(f"{SERVICE}GetInfo"),
    call(f"{SERVICE}GetInterfaceDescription", interface="io.fdbroker.Broker"),
    call("Get", resource="\x1b[2J\n\u202e"),
    message(method="io.fdbroker.Broker.Nothing\n{}"),
)

MAX_FRAMES = 40
"""Of one connection; most end before, at the first frame that is no JSON."""


@dataclass(frozen=True, slots=True)
class Volley:
    """What one connection sends, how many records and replies that makes, and how it ends.

    `lasts`: the last call may wait for ever, so the client leaves when it has the other replies.
    """

    data: bytes
    records: int
    replies: int
    lasts: bool

    def __str__(self) -> str:
        """Return it in short, for who looks for what went wrong."""
        frames = [frame[:200] for frame in self.data.split(b"\0")]
        return f"records {self.records}, replies {self.replies}, lasts {self.lasts}: {frames}"


class Arsenal:
    """Volleys from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 (no secret)
        self._calls = [each[:-1] for each in CALLS]
        self._mutator = Mutator(seed, self._calls, TOKENS, 2 * MAX_MESSAGE_BYTES)

    def volley(self, most: int) -> Volley:
        """Return so many frames at the most, which end with the first that ends a connection."""
        frames: list[bytes] = []
        replies = 0
        lasts = ends = False
        while len(frames) < min(most, MAX_FRAMES) and not (lasts or ends):
            for frame in self._bytes().split(b"\0"):
                frames.append(frame)
                replied, lasts, ends = _comes_of(frame)
                replies += replied
                if lasts or ends or len(frames) == most:
                    break
        cut = not self._random.randrange(8)
        tail = (
            self._calls[0][: self._random.randrange(1, 20)] if cut and not (lasts or ends) else b""
        )
        records = len(frames) + bool(tail)
        data = b"".join(frame + b"\0" for frame in frames) + tail
        return Volley(data, records, replies, lasts)

    def _bytes(self) -> bytes:
        """Return a frame, or several that change has made of one, without the last NUL."""
        chance = self._random.random()
        if chance < 0.55:
            return self._random.choice(self._calls)
        if chance < 0.95:
            return self._mutator.one()
        return self._random.choice(self._monsters())

    def _monsters(self) -> Sequence[bytes]:
        """Return what is long or deep."""
        deep = self._random.randrange(1, 30_000)
        one, other = self._random.choices(self._calls, k=2)
        return (
            b"[" * deep,
            b'{"method":"a.b","parameters":' + b"[" * deep + b"]" * deep + b"}",
            b'{"a":' * (deep // 5),
            b" " * self._random.choice((MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1, 100_000)),
            one.ljust(MAX_MESSAGE_BYTES),
            one + other,
            one.replace(b'"parameters"', b'"method":"x","method":"y","parameters"'),
            self._random.randbytes(deep % 300).replace(b"\0", b"0"),
        )


def _comes_of(frame: bytes) -> tuple[bool, bool, bool]:
    """Tell whether a frame is replied to at once, whether it may wait, and whether it is the end.

    The end of the connection: what is no JSON, or too long.
    """
    if len(frame) > MAX_MESSAGE_BYTES:
        return False, False, True
    try:
        made = decode(frame)
    except ProtocolError:
        return False, False, True
    match made.parameters:
        case Watch():
            return False, not made.oneway, False
        case Get(wait_usec=wait) | Take(wait_usec=wait) if wait is not None:
            return False, not made.oneway, False
        case _:
            return not made.oneway, False, False
