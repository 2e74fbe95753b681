# SPDX-License-Identifier: MIT
"""What a peer writes: a call, an error for the peer, or NotJson; and nothing that is not JSON.

Python's own decoder, made strict, is the other opinion.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec

from fdbrokerd.calls import METHODS
from fdbrokerd.messages import CONTROL, NotJson, decode, encode_error

TOKENS = (
    *(method.encode() for method in METHODS), b'{"method":"', b'","parameters":{',
    b'"resource":"pty"', b'"arguments":{"rows":"24"}', b'"count":', b'"oneway":true',
    b'"more":true', b'"upgrade":false', b'"item":"a/b"', b'"names":["x"]', b'"ttlUSec":',
    b'"waitUSec":', b'"metadata":{"a":"b"}', b'"transaction":"', b'"as":{"uid":0}',
    b'"request":"', b'"pid":1', b'"do":"get"', b"null", b"true", b"1e400", b"-0", b"NaN",
    b"\\u0000", b"\\ud800", b"\\u202e", b"\xff", b"\xc0\x80", b"\xef\xbb\xbf", b"[[[[[[[[",
    b"]]]]]]]]", b'{"a":', b"}", b",", b" ", b"\n", b"99999999999999999999", b'"parameters":null',
)  # fmt: skip

MAX_ERROR_CHARACTERS = 1024
"""A method's name and a sentence; never what a peer wrote in full."""


def check(data: bytes) -> None:
    """Decode; look at what came of it, and encode it again."""
    try:
        call = decode(data)
    except NotJson:
        return
    told = _strict(data)
    assert isinstance(told, dict), "not a JSON object"
    assert (call.problem is None) is (call.parameters is not None)
    if call.problem is not None:
        reply = encode_error(call.problem)
        assert reply.endswith(b"\0")
        for text in (reply[:-1].decode(), str(call.problem), str(call.problem.__cause__)):
            assert not CONTROL.search(text), "an error that rules a terminal, or the log's"
            assert len(text) < MAX_ERROR_CHARACTERS
        json.loads(reply[:-1])
        return
    assert call.method == told["method"]
    assert METHODS[call.method] is type(call.parameters)
    parameters = msgspec.to_builtins(call.parameters)
    for text in _texts(parameters):
        assert not CONTROL.search(text), "a control character in a call"
    again = {"method": call.method, "parameters": parameters, "oneway": call.oneway}
    made = decode(msgspec.json.encode(again | {"more": call.more}))
    assert (made.parameters, made.oneway, made.more) == (call.parameters, call.oneway, call.more)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _strict(data: bytes) -> Any:
    """Return what Python reads. Raises ValueError for what is not UTF-8 or not JSON."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    return json.loads(data.decode(), parse_constant=refuse, parse_int=str)
