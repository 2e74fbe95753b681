# SPDX-License-Identifier: MIT
"""JSON to calls: what is hung up on, what is replied to, and what is a call."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdbrokerd.calls import METHODS, Explain, Get, List
from fdbrokerd.errors import (
    CallError,
    Denied,
    InterfaceNotFound,
    InvalidParameter,
    MethodNotFound,
    OpenFailed,
    ReloadFailed,
)
from fdbrokerd.messages import (
    MAX_ARGUMENTS,
    MAX_NAME_CHARACTERS,
    Call,
    NotJson,
    decode,
    encode_error,
    encode_reply,
)

BROKER = "io.fdbroker.Broker"
DEEP = b"[" * 60_000
CLOSED = DEEP + b"]" * 60_000


def get(parameters: bytes | dict[str, object]) -> bytes:
    body = parameters if isinstance(parameters, bytes) else json.dumps(parameters).encode()
    return b'{"method":"io.fdbroker.Broker.Get","parameters":' + body + b"}"


def call(method: str, **parameters: object) -> bytes:
    return json.dumps({"method": method, "parameters": parameters}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b"{", b"[]", b"null", b"5", b'"{}"', b"{}{}", b"{} x", b"{'method':1}", b"{,}",
        b"\xef\xbb\xbf{}", '{"method":"a.b"}'.encode("utf-16"), b"GET / HTTP/1.1\r\n\r\n",
        b"\0AUTH EXTERNAL 30\r\n", b'{"method":"a.b.C","parameters":NaN}', b'{"method":Infinity}',
        b'{"method":"a.b.C","parameters":[1,}', b'{"method":5,"parameters":[1,}', b'{"x":1e999}',
        b'{"method":"\\ud800"}', b'{"method":"a.b.C","parameters":{"\\ud800":1}}', b'{"\xff":1}',
        b'{"method":"a.b.C","parameters":"\xff"}', get(b'{"resource":"\\udfff"}'),
        get(b'{"resource":"\xc0\x80"}'), get(b'{"resource":"\xed\xa0\x80"}'), get(b"{"),
        get(b'{"resource":"a\nb"}'), get(b'{"zz":1,}'),
        b'{"parameters":{"a":"\xff"},"parameters":null,"method":"io.fdbroker.Broker.List"}',
        DEEP, CLOSED, b'{"method":' + DEEP, b'{"method":' + CLOSED + b"}",
        b'{"zz":' + CLOSED + b"}", get(DEEP), get(CLOSED), get(b'{"resource":' + CLOSED + b"}"),
        get(b'{"arguments":' + CLOSED + b"}"), get(b'{"zz":' + CLOSED + b"}"),
        b'{"method":"a.b.C","parameters":' + CLOSED + b"}", b'{"a":' * 60_000,
    ],
    ids=lambda data: f"{data[:50]!r}",
)  # fmt: skip
def test_what_is_not_a_json_object_is_hung_up_on(data: bytes) -> None:
    with pytest.raises(NotJson):
        decode(data)


@pytest.mark.parametrize(
    ("data", "parameter"),
    [
        (b"{}", "method"),
        (b'{"method":5}', "method"),
        (b'{"method":null}', "method"),
        (b'{"method":""}', "method"),
        (b'{"method":"a\\nb"}', "method"),
        (b'{"method":"a\\u202eb"}', "method"),
        (call("m" * (MAX_NAME_CHARACTERS + 1)), "method"),
        (b'{"method":"a.b.C","oneway":1}', "oneway"),
        (b'{"method":"a.b.C","more":"yes"}', "more"),
        (b'{"method":"a.b.C","upgrade":null}', "upgrade"),
        (b'{"method":"a.b.C","zz":1}', "zz"),
        (b'{"method":"a.b.C","method":5}', "method"),
        (get(b"[]"), "parameters"),
        (get(b"5"), "parameters"),
        (get(b"{}"), "resource"),
        (get(b"null"), "resource"),
        (get({"resource": None}), "resource"),
        (get({"resource": 5}), "resource"),
        (get({"resource": ["a"]}), "resource"),
        (get({"resource": "a", "zz": 1}), "zz"),
        (get({"resource": "a", "": 1}), "parameters"),
        (get({"resource": "a", "z\x1b[2J\u202e": 1}), "z?[2J?"),
        (get({"resource": "a", "count": "1"}), "count"),
        (get({"resource": "a", "count": True}), "count"),
        (get({"resource": "a", "count": 1.5}), "count"),
        (get({"resource": "a", "count": {}}), "count"),
        (get({"resource": "a", "arguments": []}), "arguments"),
        (get({"resource": "a", "arguments": {"a": 1}}), "arguments"),
        (get({"resource": "a", "arguments": {"a": None}}), "arguments"),
        (get({"resource": "a", "arguments": {"": "1"}}), "arguments"),
        (get({"resource": "a", "arguments": {"a": ""}}), "arguments"),
        (get({"resource": "a", "arguments": {"a\0": "1"}}), "arguments"),
        (get({"resource": "a", "arguments": {"a": "\x7f"}}), "arguments"),
        (get({"resource": "a", "arguments": dict.fromkeys(map(str, range(65)), "1")}), "arguments"),
        (call(f"{BROKER}.List", zz=1), "zz"),
        (call(f"{BROKER}.Explain", resource="a", do="x\n"), "do"),
        (call(f"{BROKER}.Release", grant=""), "grant"),
        (call("org.varlink.service.GetInterfaceDescription", interface="\0"), "interface"),
    ],
)
def test_the_wrong_shape_is_told_by_its_parameter(data: bytes, parameter: str) -> None:
    problem = decode(data).problem
    assert isinstance(problem, InvalidParameter)
    assert problem.parameter == parameter


@pytest.mark.parametrize(
    "character",
    ["\0", "\n", "\r", "\t", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9b", "\u2028", "\u2029",
     "\u202a", "\u202e", "\u2066", "\u2069"],
    ids=ascii,
)  # fmt: skip
def test_no_name_holds_what_could_rule_a_terminal(character: str) -> None:
    for name in (character, f"a{character}b", f"pty{character}"):
        problem = decode(get({"resource": name})).problem
        assert isinstance(problem, InvalidParameter)
        assert problem.parameter == "resource"
        problem = decode(get({"resource": "a", name: 1})).problem
        assert problem is not None
        for text in (str(problem), str(problem.__cause__)):
            assert character not in text, "this is what the log says"


def test_a_name_that_nobody_knows_does_not_fill_the_log() -> None:
    problem = decode(get({"resource": "a", "b" * 60_000: 1})).problem
    assert problem is not None
    assert len(str(problem.__cause__)) <= MAX_NAME_CHARACTERS


@pytest.mark.parametrize(
    ("method", "error"),
    [
        (f"{BROKER}.Nope", MethodNotFound(method=f"{BROKER}.Nope")),
        (f"{BROKER}.get", MethodNotFound(method=f"{BROKER}.get")),
        ("org.varlink.service.X", MethodNotFound(method="org.varlink.service.X")),
        (f"{BROKER}.Get.X", InterfaceNotFound(interface=f"{BROKER}.Get")),
        (f"{BROKER}", InterfaceNotFound(interface="io.fdbroker")),
        ("Get", InterfaceNotFound(interface="")),
        (f"{BROKER} .Get", InterfaceNotFound(interface=f"{BROKER} ")),
    ],
)
def test_an_unknown_method(method: str, error: CallError) -> None:
    problem = decode(call(method, whatever=[1])).problem
    assert type(problem) is type(error)
    assert problem.parameters() == error.parameters()


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (get({"resource": "a"}), Get("a")),
        (get({"resource": "a", "arguments": None, "count": None}), Get("a")),
        (get({"resource": "ä/b", "arguments": {"k": "v w"}, "count": 3}),
         Get("ä/b", {"k": "v w"}, 3)),
        (get({"resource": "r" * MAX_NAME_CHARACTERS}), Get("r" * MAX_NAME_CHARACTERS)),
        (get({"resource": "a", "count": 10**30}), Get("a", None, 10**30)),
        (get({"resource": "a", "count": -1}), Get("a", None, -1)),
        (get(b'{"resource":"x","resource":"a"}'), Get("a")),
        (get(b'{"resource":"a","arguments":{"k":"1","k":"2"}}'), Get("a", {"k": "2"})),
        (b'{"method":5,"method":"io.fdbroker.Broker.List"}', None),
        (b'{"method":"x","method":"io.fdbroker.Broker.List"}', List()),
        (b'{"parameters":{"zz":1},"method":"io.fdbroker.Broker.List","parameters":null}', List()),
        (b' \n{"method":"io.fdbroker.Broker.List"}\t', List()),
        (call(f"{BROKER}.Explain", resource="a", do="put"), Explain("a", None, "put")),
    ],
)  # fmt: skip
def test_calls(data: bytes, parameters: object) -> None:
    made = decode(data)
    assert made.parameters == parameters
    assert (made.problem is None) is (parameters is not None)


def test_as_many_arguments_as_there_may_be() -> None:
    many = {str(number): "v" for number in range(MAX_ARGUMENTS)}
    assert decode(get({"resource": "a", "arguments": many})).problem is None


@pytest.mark.parametrize("method", [*METHODS, "a.b.C"])
def test_oneway_is_kept_with_what_is_wrong(method: str) -> None:
    made = decode(json.dumps({"method": method, "oneway": True, "more": True}).encode())
    assert made.oneway
    assert made.method == method


def only_a_call_or_not_json(data: bytes) -> None:
    try:
        made = decode(data)
    except NotJson:
        return
    assert isinstance(made, Call)
    assert (made.problem is None) is (made.parameters is not None)
    if made.problem is not None:
        msgspec.json.decode(encode_error(made.problem)[:-1])


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
keys = st.sampled_from(["resource", "arguments", "count", "do", "grant", "interface", "zz"])
near = st.fixed_dictionaries(
    {"method": st.sampled_from(list(METHODS)) | anything},
    optional={
        "parameters": st.dictionaries(keys, anything) | anything,
        "oneway": anything,
        "zz": anything,
    },
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | (anything | near).map(lambda value: json.dumps(value).encode()))
def test_nothing_else_ever_comes_out(data: bytes) -> None:
    only_a_call_or_not_json(data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([get({"resource": "a", "arguments": {"k": "v"}, "count": 2}),
                        call(f"{BROKER}.Explain", resource="a", do="get")]),
       st.integers(0, 120), st.binary(max_size=3))  # fmt: skip
def test_nothing_else_comes_out_of_a_call_with_a_fault(call: bytes, at: int, by: bytes) -> None:
    only_a_call_or_not_json(call[:at] + by + call[at + len(by) :])


@pytest.mark.parametrize(
    ("error", "parameters"),
    [
        (Denied(resource="r", hint=None, request="q"), {"resource": "r", "request": "q"}),
        (OpenFailed.of("r", 2), {"resource": "r", "errno": 2, "errnoName": "ENOENT"}),
        (OpenFailed.of("r", 0), {"resource": "r", "errno": 0, "errnoName": "0"}),
        (ReloadFailed(file="", line=0, column=0, message="m"),
         {"file": "", "line": 0, "column": 0, "message": "m"}),
    ],
)  # fmt: skip
def test_an_error_says_all_but_what_is_absent(
    error: CallError, parameters: dict[str, object]
) -> None:
    data = encode_error(error)
    assert data.endswith(b"\0")
    assert data.count(b"\0") == 1
    assert json.loads(data[:-1]) == {"error": error.wire_name, "parameters": parameters}


def test_a_reply() -> None:
    assert encode_reply({"a": "\0"}) == b'{"parameters":{"a":"\\u0000"}}\0'
