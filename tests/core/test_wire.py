# SPDX-License-Identifier: MIT
"""Framing: every descriptor arrives with its own message, whatever the chunks are."""

import os
import socket
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd import channel
from fdbrokerd.errors import MessageTooLong, ProtocolError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.opened import rights
from fdbrokerd.wire import MAX_MESSAGE_BYTES, Decoder

Sent = tuple[bytes, list[int]]
"""A message and the inodes of its descriptors."""


def memory() -> OwnedFd:
    """Return a descriptor with an inode of its own."""
    return OwnedFd(os.memfd_create("test", os.MFD_CLOEXEC))


def inodes(descriptors: Sequence[OwnedFd]) -> list[int]:
    return [os.fstat(one.fileno()).st_ino for one in descriptors]


def send_all(ours: socket.socket, messages: Sequence[tuple[bytes, int]]) -> list[Sent]:
    """Send each message with so many descriptors, in one sendmsg, and shut down."""
    sent = []
    for data, count in messages:
        attached = tuple(memory() for _ in range(count))
        sent.append((data, inodes(attached)))
        assert channel.send(ours, data + b"\0", rights(attached)) == len(data) + 1
        close_all(attached)
    ours.shutdown(socket.SHUT_WR)
    return sent


def receive_all(theirs: socket.socket, sizes: Sequence[int]) -> list[Sent]:
    """Receive to the end in chunks of these sizes, again and again."""
    decoder = Decoder()
    received = []
    turn = 0
    with pytest.MonkeyPatch.context() as patch:
        while True:
            patch.setattr(channel, "READ_BYTES", sizes[turn % len(sizes)])
            turn += 1
            data, descriptors, truncated = channel.receive_reply(theirs)
            assert not truncated
            if not data:
                break
            decoder.feed(data, descriptors)
            while message := decoder.next():
                received.append((message.data, inodes(message.descriptors)))
                message.close()
    assert not decoder.partial
    decoder.close()
    return received


contents = st.one_of(
    st.binary(max_size=40),
    st.integers(1, 40_000).map(lambda size: b"x" * size),
).map(lambda data: data.replace(b"\0", b"0"))
messages = st.lists(st.tuples(contents, st.integers(0, 3)), min_size=1, max_size=6).filter(
    lambda of: sum(len(data) for data, _ in of) < 100_000
)
chunk_sizes = st.lists(
    st.one_of(st.integers(1, 60), st.integers(1000, 70_000)), min_size=1, max_size=5
).filter(lambda sizes: max(sizes) >= 40 or sum(sizes) > 60)


@settings(max_examples=80, deadline=None)
@given(messages=messages, sizes=chunk_sizes)
def test_every_descriptor_arrives_with_its_message(
    messages: list[tuple[bytes, int]], sizes: list[int]
) -> None:
    if max(sizes) < 1000:
        messages = [(data[:300], count) for data, count in messages]  # not byte for byte
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = send_all(ours, messages)
        assert receive_all(theirs, sizes) == sent


@pytest.mark.parametrize("sizes", [[1], [7], [16 * 1024], [64 * 1024]])
def test_glued_messages_keep_their_descriptors(sizes: list[int]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = send_all(ours, [(b"none", 0), (b"", 2), (b"none", 0), (b"two", 1), (b"none", 0)])
        assert receive_all(theirs, sizes) == sent


def test_a_long_message_keeps_the_descriptors_that_came_first() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = send_all(ours, [(b"a" * 60_000, 3), (b"b" * 40_000, 1)])
        assert receive_all(theirs, [16 * 1024]) == sent


@pytest.mark.parametrize("chunk", [b"abc", b"x\0abc", b"c\0x\0", b"\0", b""])
def test_two_sets_for_one_message_are_a_violation(chunk: bytes) -> None:
    """Every chunk here ends in the message of the first set, or in one after it."""
    decoder = Decoder()
    first, second = memory(), memory()
    decoder.feed(b"{", [first])
    if chunk.count(b"\0") and chunk != b"\0":
        decoder.feed(chunk, [second])  # the second one's own message
    else:
        with pytest.raises(ProtocolError, match="two sets"):
            decoder.feed(chunk, [second])
        assert second.closed
    decoder.close()
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("before", [b"", b"123"])
@pytest.mark.parametrize(
    "chunk", [b"123456789", b"123456789\0", b"a\0123456789", b"a\0123456789\0", b"123456789\0a\0"]
)
def test_a_message_too_long_leaves_nothing_open(before: bytes, chunk: bytes) -> None:
    decoder = Decoder(max_message_bytes=8)
    attached = [memory(), memory()]
    decoder.feed(before, [])
    with pytest.raises(MessageTooLong, match="more than 8 bytes"):
        decoder.feed(chunk, attached)
    decoder.close()
    assert all(one.closed for one in attached)


@pytest.mark.parametrize("chunks", [(8,), (4, 4), (1,) * 8])
def test_a_message_of_the_greatest_length_passes(chunks: tuple[int, ...]) -> None:
    decoder = Decoder(max_message_bytes=8)
    for size in chunks:
        decoder.feed(b"y" * size, [])
    decoder.feed(b"\0", [])
    message = decoder.next()
    assert message is not None
    assert message.data == b"y" * 8
    assert MAX_MESSAGE_BYTES == 64 * 1024


def test_descriptors_without_bytes_belong_to_what_comes() -> None:
    """The kernel sends none without a byte; whoever feeds it so must not lose them."""
    decoder = Decoder()
    attached = memory()
    decoder.feed(b"", [attached])
    assert decoder.partial
    decoder.feed(b"x\0", [])
    message = decoder.next()
    assert message is not None
    assert message.descriptors == [attached]
    message.close()
    assert attached.closed


def test_no_bytes_are_no_message() -> None:
    decoder = Decoder()
    decoder.feed(b"", [])
    assert (decoder.next(), decoder.waiting, decoder.partial) == (None, 0, False)


def test_close_closes_what_nobody_took() -> None:
    decoder = Decoder()
    waiting, partial = memory(), memory()
    decoder.feed(b"a\0", [waiting])
    decoder.feed(b"b", [partial])
    assert (decoder.waiting, decoder.partial) == (1, True)
    decoder.close()
    assert waiting.closed
    assert partial.closed
    assert (decoder.next(), decoder.waiting, decoder.partial) == (None, 0, True)


def test_what_waits_is_bounded_in_bytes() -> None:
    """64 calls of 64 KiB on each of a uid's connections were a gigabyte."""
    decoder = Decoder(100)
    states = []
    for data in (b"x" * 60 + b"\0", b"y" * 40 + b"\0"):
        decoder.feed(data, [])
        states.append(decoder.full)
    assert decoder.next() is not None
    assert [*states, decoder.full] == [False, True, False]
