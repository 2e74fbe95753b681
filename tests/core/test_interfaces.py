# SPDX-License-Identifier: MIT
"""The .varlink files against the code: names, types, errors, and a comment for everything."""

import inspect
from types import NoneType, UnionType
from typing import get_args, get_origin, get_type_hints

import msgspec
import pytest

from fdbrokerd.calls import METHODS
from fdbrokerd.errors import CallError, replies, wire_errors
from fdbrokerd.interfaces import NAMES, SERVICE, descriptions
from fdbrokerd.model.facts import Facts
from fdbrokerd.model.peer import Peer

from .idl import Interface

INTERFACES = {name: Interface(text) for name, text in descriptions().items()}
NOT_RAISED = {f"{SERVICE}.MethodNotImplemented"}
"""Of the interface that every service has, what this one never says."""


_TYPES: dict[object, str] = {
    str: "string",
    int: "int",
    bool: "bool",
    list[str]: "[]string",
    dict[str, str]: "[string]string",
}


def varlink(hint: object) -> str:
    """Return the Varlink type of a Python annotation."""
    if get_origin(hint) is UnionType and NoneType in get_args(hint):
        (inner,) = (one for one in get_args(hint) if one is not NoneType)
        return "?" + varlink(inner)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint.__name__
    return _TYPES[hint]


def test_each_file_is_the_interface_that_it_is_named_for() -> None:
    assert {name: one.name for name, one in INTERFACES.items()} == {name: name for name in NAMES}


def test_the_methods_are_those_that_are_answered() -> None:
    written = {f"{i.name}.{name}" for i in INTERFACES.values() for name in i.of("method")}
    assert written == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_the_parameters_of_a_method(method: str) -> None:
    interface, _, name = method.rpartition(".")
    struct = METHODS[method]
    read = {
        one.encode_name: varlink(get_type_hints(struct)[one.name])
        for one in msgspec.structs.fields(struct)
    }
    written = INTERFACES[interface].members[name].fields
    assert read == {key: one.type for key, one in written.items()}
    for one in msgspec.structs.fields(struct):
        assert one.required is not written[one.encode_name].type.startswith("?"), one.name
    assert struct.__doc__ == f"{method}."


def test_the_errors_are_those_that_are_raised() -> None:
    written = {f"{i.name}.{name}" for i in INTERFACES.values() for name in i.of("error")}
    assert written == set(wire_errors()) | NOT_RAISED


@pytest.mark.parametrize("name", wire_errors())
def test_the_parameters_of_an_error(name: str) -> None:
    interface, _, short = name.rpartition(".")
    cls = wire_errors()[name]
    hints = get_type_hints(cls)
    assert cls.__name__ == short
    written = INTERFACES[interface].members[short].fields
    assert {key: varlink(hints[key]) for key in cls.names()} == {
        key: one.type for key, one in written.items()
    }
    assert inspect.getdoc(cls)
    assert 64 <= cls.exit_status <= 78


@pytest.mark.parametrize("name", wire_errors())
def test_an_error_has_no_parameter_but_its_own(name: str) -> None:
    cls = wire_errors()[name]
    with pytest.raises(TypeError, match="has no parameter 'zz'"):
        cls(zz=1)
    assert cls().parameters() == {}
    told = dict.fromkeys(cls.names(), "x") | dict.fromkeys({"line", "column"} & {*cls.names()}, 1)
    assert str(cls(**told))


def test_every_error_on_the_wire_is_known() -> None:
    named = [
        one
        for one in vars(replies).values()
        if isinstance(one, type) and issubclass(one, CallError) and one.wire_name
    ]
    assert {one.wire_name for one in named} == set(wire_errors())


def test_a_peer_is_told_as_it_is_known() -> None:
    written = INTERFACES["io.fdbroker.Broker"].members["Peer"].fields
    ids = [name for name in Peer.__struct_fields__ if name not in {"facts", "foreign"}]
    facts = ["userUnit" if name == "user_unit" else name for name in Facts.__struct_fields__]
    assert list(written) == ids + facts


@pytest.mark.parametrize("interface", INTERFACES.values(), ids=list(INTERFACES))
def test_everything_has_a_comment(interface: Interface) -> None:
    """A type is told by its fields, and what fits in one line by the comment above it."""
    silent = [
        name
        for name, one in interface.members.items()
        if not one.commented and one.keyword != "type"
    ]
    for name, member in interface.members.items():
        fields = {**member.fields, **{f"-> {key}": one for key, one in member.reply.items()}}
        plain = member.inline and (len(fields) <= 1 or interface.name == SERVICE)
        silent += [f"{name} {key}" for key, one in fields.items() if not (plain or one.commented)]
    assert not silent


def test_every_type_that_is_named_is_there() -> None:
    for interface in INTERFACES.values():
        known = {"string", "int", "bool", "float", "object", *interface.of("type")}
        for member in interface.members.values():
            for one in (*member.fields.values(), *member.reply.values()):
                assert one.type.lstrip("?").removeprefix("[]").removeprefix("[string]") in known
