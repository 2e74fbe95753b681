# SPDX-License-Identifier: MIT
"""Changes to inputs, as libFuzzer makes them, from a seed: the same seed, the same inputs."""

from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

_INTERESTING = (
    0x00,
    0x01,
    0x0A,
    0x1B,
    0x22,
    0x2C,
    0x3A,
    0x5B,
    0x7B,
    0x7D,
    0x7F,
    0x80,
    0xC0,
    0xED,
    0xFF,
)

MAX_CHANGES = 4
"""More of them make noise of an input, and noise is refused by the first line of every decoder."""


class Mutator:
    """Makes new inputs of old ones and of tokens."""

    def __init__(
        self, seed: int, seeds: Sequence[bytes], tokens: Sequence[bytes], most: int
    ) -> None:
        self._random = Random(seed)  # noqa: S311 (no secret)
        self._seeds = seeds
        self._tokens = tokens
        self._most = most

    def inputs(self) -> Iterator[bytes]:
        """Yield inputs without end: the seeds first, as they are."""
        yield from self._seeds
        for _ in count():
            yield self.one()

    def one(self) -> bytes:
        """Return one more."""
        chance = self._random
        data = bytearray(chance.choice(self._seeds))
        if chance.random() < 0.1 or not data:
            data = bytearray(b"".join(chance.choices(self._tokens, k=chance.randint(1, 12))))
        return self.change(bytes(data))

    def change(self, data: bytes) -> bytes:
        """Return an input with a few changes."""
        changed = bytearray(data)
        for _ in range(self._random.randint(1, MAX_CHANGES)):
            self._change(changed)
        return bytes(changed[: self._most])

    def _change(self, data: bytearray) -> None:
        chance = self._random
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(1, 8))
        match chance.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice(_INTERESTING)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = chance.choice(self._tokens)
            case 4:
                data[at:at] = chance.randbytes(chance.randint(1, 4))
            case 5:
                data[at:at] = data[at:end] * chance.choice((1, 2, 40))
            case _:
                other = chance.choice(self._seeds)
                begin = chance.randrange(len(other) + 1)
                data[at:] = other[begin:]
