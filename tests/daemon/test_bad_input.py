# SPDX-License-Identifier: MIT
"""Whatever a peer writes gets an error or a hang-up, one record, and costs nobody else anything."""

from contextlib import suppress

import pytest

from .broker import RunningBroker
from .identity import User
from .wire import BROKER, SERVICE, Wire, call, message

GET = f"{BROKER}Get"
WHO = f"{BROKER}WhoAmI"


def get(**parameters: object) -> bytes:
    """Return a call of Get with whatever parameters."""
    return message(method=GET, parameters=parameters)


def raw_get(parameters: str) -> bytes:
    """Return a call of Get whose parameters are no JSON that Python would write."""
    return f'{{"method": "{GET}", "parameters": {parameters}}}\0'.encode()


HANG_UPS = {
    "nothing": b"\0",
    "two NULs": b"\0\0",
    "no JSON": b"GET / HTTP/1.1\r\n\r\n\0",
    "half an object": b'{"method"\0',
    "trailing bytes": call("WhoAmI")[:-1] + b"x\0",
    "two objects": call("WhoAmI")[:-1] * 2 + b"\0",
    "list": b"[]\0",
    "string": b'"io.fdbroker.Broker.WhoAmI"\0',
    "number": b"1\0",
    "null": b"null\0",
    "not UTF-8": b'{"method": "\xff"}\0',
    "not UTF-8 in parameters": b'{"method": "%s", "parameters": {"resource": "\xff"}}\0'
    % GET.encode(),
    "byte order mark": b"\xef\xbb\xbf" + call("WhoAmI"),
    "UTF-16": call("WhoAmI")[:-1].decode().encode("utf-16-le").replace(b"\0", b"\1") + b"\0",
    "NaN": raw_get('{"resource": "pty", "count": NaN}'),
    "Infinity": raw_get('{"resource": "pty", "count": Infinity}'),
    "5000 digits": raw_get('{"resource": "pty", "count": %s}' % ("9" * 5000)),
    "1e400": raw_get('{"resource": "pty", "count": 1e400}'),
    "raw newline in a string": raw_get('{"resource": "p\nty"}'),
    "half a surrogate pair": raw_get('{"resource": "\\ud800"}'),
    "nested lists": b"[" * 60_000 + b"\0",
    "nested objects": b'{"a":' * 10_000 + b"\0",
    "nested parameters": raw_get("[" * 30_000 + "]" * 30_000),
    "nested in a parameter": raw_get('{"resource": ' + "[" * 30_000 + "]" * 30_000 + "}"),
    "nested in an unknown key": b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\0",
    "nested for an unknown method": b'{"method": "a.b", "parameters": '
    + b"[" * 30_000
    + b"]" * 30_000
    + b"}\0",
    "a byte too long": b" " * (64 * 1024 + 1) + b"\0",
    "too long without end": b"x" * (64 * 1024 + 1),
    "far too long": b"x" * 150_000,
}


@pytest.mark.parametrize("data", HANG_UPS.values(), ids=HANG_UPS)
def test_hang_up(broker: RunningBroker, data: bytes) -> None:
    with Wire(broker.address, User(1000)) as wire:
        with suppress(BrokenPipeError, ConnectionResetError):  # it had seen enough
            wire.send(data)
        assert wire.is_hung_up()
    (record,) = broker.records()
    assert (record["outcome"], record["peer"]["uid"]) == ("hung-up", 1000)
    assert record["detail"]
    assert record["descriptors"] == 0


SHAPES = {
    "no method": (b"{}\0", "method"),
    "method is a number": (message(method=1), "method"),
    "method is null": (message(method=None), "method"),
    "method is empty": (message(method=""), "method"),
    "method is long": (message(method="a" * 10_000), "method"),
    "method with a newline": (message(method=f"{WHO}\n"), "method"),
    "method with a NUL": (message(method=f"{WHO}\0"), "method"),
    "unknown key": (message(method=WHO, extra=1), "extra"),
    "oneway is a word": (message(method=WHO, oneway="yes"), "oneway"),
    "more is a number": (message(method=WHO, more=1), "more"),
    "upgrade is null": (message(method=WHO, upgrade=None), "upgrade"),
    "parameters are a list": (message(method=GET, parameters=[]), "parameters"),
    "parameters are a string": (message(method=GET, parameters="pty"), "parameters"),
    "parameters are null": (message(method=GET, parameters=None), "resource"),
    "parameters for none": (message(method=WHO, parameters={"x": 1}), "x"),
    "no resource": (get(), "resource"),
    "resource is a number": (get(resource=1), "resource"),
    "resource is null": (get(resource=None), "resource"),
    "resource is a list": (get(resource=["pty"]), "resource"),
    "resource is empty": (get(resource=""), "resource"),
    "resource is long": (get(resource="x" * 257), "resource"),
    "resource with a NUL": (get(resource="pty\0"), "resource"),
    "resource with an escape": (get(resource="\x1b[2Jpty"), "resource"),
    "resource with a C1": (get(resource="pty\x9b"), "resource"),
    "resource turned round": (get(resource="\u202eytp"), "resource"),
    "count is true": (get(resource="pty", count=True), "count"),
    "count is a word": (get(resource="pty", count="1"), "count"),
    "count is a fraction": (get(resource="pty", count=1.5), "count"),
    "count is 0": (get(resource="pty", count=0), "count"),
    "count is negative": (get(resource="pty", count=-1), "count"),
    "count of one file": (get(resource="note", count=2), "count"),
    "arguments are a list": (get(resource="pty", arguments=[]), "arguments"),
    "argument is a number": (get(resource="pty", arguments={"rows": 24}), "arguments"),
    "argument is null": (get(resource="pty", arguments={"rows": None}), "arguments"),
    "argument with a newline": (get(resource="pty", arguments={"rows": "24\n"}), "arguments"),
    "name of one with a NUL": (get(resource="pty", arguments={"\0": "24"}), "arguments"),
    "argument is empty": (get(resource="pty", arguments={"rows": ""}), "arguments"),
    "too many arguments": (
        get(resource="pty", arguments={f"a{n}": "1" for n in range(65)}),
        "arguments",
    ),
    "unknown parameter": (get(resource="pty", path="/etc/shadow"), "path"),
    "no such grant": (call("Release", grant="0123456789abcdef"), "grant"),
    "empty grant": (call("Release", grant=""), "grant"),
    "no such interface": (
        call(f"{SERVICE}GetInterfaceDescription", interface="com.example.none"),
        "interface",
    ),
}


@pytest.mark.parametrize(("data", "parameter"), SHAPES.values(), ids=SHAPES)
def test_wrong_shape(broker: RunningBroker, data: bytes, parameter: str) -> None:
    with Wire(broker.address, User(1000)) as wire:
        wire.send(data)
        reply = wire.receive()
        assert (reply.error, reply.descriptors) == ("InvalidParameter", [])
        assert reply.parameters == {"parameter": parameter}
        (record,) = broker.records()
        assert (record["outcome"], record["descriptors"]) == ("failed", 0)
        assert wire.is_served()


OTHER_ERRORS = {
    "no such method": (call("Nothing"), "MethodNotFound", {"method": f"{BROKER}Nothing"}),
    "no interface": (message(method="WhoAmI"), "InterfaceNotFound", {"interface": ""}),
    "no such interface": (call("a.b.C"), "InterfaceNotFound", {"interface": "a.b"}),
    "too many pairs": (get(resource="pty", count=127), "LimitReached", {"limit": "count"}),
    "2**64 pairs": (get(resource="pty", count=2**64), "LimitReached", {"limit": "count"}),
    "10**399 pairs": (get(resource="pty", count=10**399), "LimitReached", {"limit": "count"}),
    "unknown argument": (
        get(resource="pty", arguments={"x": "1"}),
        "InvalidArgument",
        {"argument": "x", "reason": "is unknown to this resource"},
    ),
    "not an administrator": (call("io.fdbroker.Manager.Reload"), "PermissionDenied", {}),
}


@pytest.mark.parametrize(("data", "error", "parameters"), OTHER_ERRORS.values(), ids=OTHER_ERRORS)
def test_error(
    broker: RunningBroker, data: bytes, error: str, parameters: dict[str, object]
) -> None:
    with Wire(broker.address, User(1000)) as wire:
        wire.send(data)
        reply = wire.receive()
        assert (reply.error, reply.parameters) == (error, parameters)
        assert len(broker.records()) == 1
        assert wire.is_served()


UNUSUAL = {
    "parameters are null": message(method=WHO, parameters=None),
    "no parameters": message(method=WHO),
    "white space": b" \r\n\t" + message(method=WHO)[:-1] + b" \n\0",
    "the last of two keys counts": b'{"method": "x", "method": "%s"}\0' % WHO.encode(),
    "escapes": b'{"m\\u0065thod": "io.fdbroker.Broker.\\u0057hoAmI"}\0',
    "more": message(method=WHO, more=True),
    "upgrade": message(method=WHO, upgrade=True),
    "as long as may be": message(method=WHO)[:-1].ljust(64 * 1024) + b"\0",
}


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_and_valid(broker: RunningBroker, data: bytes) -> None:
    with Wire(broker.address, User(1000)) as wire:
        wire.send(data)
        reply = wire.receive()
        assert reply.parameters["peer"]["uid"] == 1000
        assert b"continues" not in reply.raw
        assert wire.is_served()
