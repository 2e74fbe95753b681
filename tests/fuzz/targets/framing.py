# SPDX-License-Identifier: MIT
"""Framing: one stream in any chunks is the same messages, within the limit, with its descriptors.

The first byte is the limit; then a byte for each chunk: how long it is, and whether a descriptor
comes with it.
"""

import os

from fdbrokerd.errors import MessageTooLong, ProtocolError
from fdbrokerd.fd import OwnedFd
from fdbrokerd.wire import Decoder
from tests.fuzz.choices import Choices

TOKENS = (b"\0", b"\0\0", b"{}\0", b"aaaaaaaa", b"aaaaaaaa\0")

_WITH_DESCRIPTOR = 0xE0
"""A chunk's byte from here on has one."""


def check(data: bytes) -> None:
    """Feed a stream in chunks; compare with what a split of the whole of it says."""
    choices = Choices(data)
    limit = 1 + choices.below(64)
    cuts = choices.take(choices.below(32))
    stream = _Stream(limit, choices.rest())
    try:
        stream.feed(cuts)
    finally:
        stream.close()


class _Stream:
    """A stream, and what came of it so far."""

    def __init__(self, limit: int, whole: bytes) -> None:
        self._limit = limit
        self._whole = whole
        self._decoder = Decoder(limit)
        self._attached: dict[int, OwnedFd] = {}
        self._given: list[OwnedFd] = []
        self._taken: list[bytes] = []
        self._lengths: list[int] = []

    def feed(self, cuts: bytes) -> None:
        """Feed chunk by chunk, and what is left in the end."""
        at = 0
        for cut in cuts:
            end = min(at + cut % 32, len(self._whole))
            if not self._one(at, end, attach=cut >= _WITH_DESCRIPTOR):
                return
            at = end
            self._take(leave=cut % 3)
        if self._one(at, len(self._whole), attach=False):
            self._take(leave=0)
            *ended, rest = self._whole.split(b"\0")
            assert self._taken == ended
            assert self._decoder.partial == bool(rest or len(ended) in self._attached)

    def _one(self, begin: int, end: int, *, attach: bool) -> bool:
        """Feed one chunk; tell whether the stream goes on, and fail where it should not."""
        owner = self._whole[: max(end - (end > begin), 0)].count(b"\0")
        given = []
        if attach:
            given = [OwnedFd(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))]
            self._given += given
        *ended, rest = self._whole[:end].split(b"\0")
        too_long = any(len(part) > self._limit for part in (*ended, rest))
        second = attach and owner in self._attached
        try:
            self._decoder.feed(self._whole[begin:end], list(given))
        except MessageTooLong:
            if too_long:
                return False
            raise
        except ProtocolError:
            if second:
                return False
            raise
        assert not too_long, "more than the limit"
        assert not second, "two sets of descriptors for one message"
        if given:
            self._attached[owner] = given[0]
        self._lengths = [len(part) for part in ended]
        return True

    def _take(self, leave: int) -> None:
        while self._decoder.waiting > leave:
            message = self._decoder.next()
            assert message is not None
            index = len(self._taken)
            came_with = self._attached.get(index)
            assert message.descriptors == ([] if came_with is None else [came_with])
            self._taken.append(message.data)
            message.close()
        waiting = self._lengths[len(self._taken) :]
        assert self._decoder.waiting == len(waiting)
        assert self._decoder.full == (sum(waiting) >= self._limit)

    def close(self) -> None:
        """End the stream: nothing of it stays open, whatever has happened."""
        self._decoder.close()
        assert all(one.closed for one in self._given), "a descriptor is left open"
