# SPDX-License-Identifier: MIT
"""What a request takes the more there is: items that are held, connections that are idle."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.burst import Mode, Place
from bench.extent import Scaling
from bench.ground import Ground
from bench.holding import NAME as ITEM
from bench.measured import Measured
from bench.memory import idle
from bench.peers.broker import broker
from bench.peers.peer import Ask, Peer
from bench.peers.varlink import MAKE_AND_REMOVE, PUT_AND_TAKE, STORED, get

ITEMS = "items held"
CONNECTIONS = "idle connections"

GET_HELD = "get of an item"
PUT_ONE_MORE = "put and take of one more"
MAKE_ONE_MORE = "eventfd made and removed"
REQUEST = "request"
CONNECTION = "connection, with a request"

OF = {
    GET_HELD: ITEMS,
    PUT_ONE_MORE: ITEMS,
    MAKE_ONE_MORE: ITEMS,
    REQUEST: CONNECTIONS,
    CONNECTION: CONNECTIONS,
}
"""The curves, and what there is more and more of."""

_OTHERS = 2
"""Of the items of each daemon: the one that everybody stores, and the one that is put."""

_PLACES = 8
"""Items that are got in turn: more than the calls that a daemon knows by their bytes."""

_ITEMS_WORK = (
    (GET_HELD, STORED, Mode.ONE, 25),
    (PUT_ONE_MORE, PUT_AND_TAKE, Mode.ONE, 15),
    (MAKE_ONE_MORE, MAKE_AND_REMOVE, Mode.ONE, 60),
)
_CONNECTIONS_WORK = (
    (REQUEST, STORED, Mode.ONE, 200),
    (CONNECTION, STORED, Mode.EACH, 100),
)

_Work = Sequence[tuple[str, str, Mode, int]]


def measure(extent: Scaling, ground: Ground, directory: Path, measured: Measured) -> None:
    """Ask daemons that hold little and much in turn; all of them are there at the same time."""
    with _holding(extent.items, ground, directory) as peers:
        _rounds(_ITEMS_WORK, peers, extent.rounds, measured)
    with _connected(extent.connections, ground, directory) as peers:
        _rounds(_CONNECTIONS_WORK, peers, extent.rounds, measured)


def _rounds(work: _Work, peers: Mapping[int, Peer], rounds: int, measured: Measured) -> None:
    counts = list(peers)
    for number in range(rounds):
        for title, asked, mode, requests in work:
            for index in range(len(counts)):
                count = counts[(index + number) % len(counts)]
                burst = peers[count].burst(asked, mode, Place.PINNED, requests, requests // 5)
                measured.add_point(title, count, burst.median)


@contextmanager
def _holding(
    counts: Sequence[int], ground: Ground, directory: Path
) -> Iterator[Mapping[int, Peer]]:
    """Run one for each count; with the item that is put it holds so many."""
    with ExitStack() as stack:
        peers = {}
        for count in counts:
            own = directory / f"items-{count}"
            own.mkdir()
            many = count - _OTHERS
            command = ("-m", "bench.holding", str(many), "--config")
            peer = stack.enter_context(broker(ground, own, command=command))
            places = (place * many // _PLACES for place in range(_PLACES))
            steps = tuple(get(ITEM.format(index=index)) for index in places)
            peer.asks = {**peer.asks, STORED: Ask(steps, items=len(steps))}
            peers[count] = peer
        yield peers


@contextmanager
def _connected(
    counts: Sequence[int], ground: Ground, directory: Path
) -> Iterator[Mapping[int, Peer]]:
    with ExitStack() as stack:
        peers = {}
        for count in counts:
            own = directory / f"connections-{count}"
            own.mkdir()
            peers[count] = peer = stack.enter_context(broker(ground, own))
            for _ in range(count):
                stack.enter_context(idle(peer))
        yield peers
