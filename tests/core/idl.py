# SPDX-License-Identifier: MIT
"""A reader of .varlink files, for the tests: members, fields, and what is said of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_COMMENT = re.compile(r"[ \t]*#[^\n]*\n?")
_SPACE = re.compile(r"\s+")
_TOKEN = re.compile(r"->|[A-Za-z][A-Za-z0-9_.]*|\[string\]|\[\]|[?(),:]")


@dataclass
class Field:
    """A field: its type as it is written, and whether it has a comment of its own."""

    type: str
    commented: bool


@dataclass
class Member:
    """A type, method or error."""

    keyword: str
    commented: bool
    fields: dict[str, Field] = field(default_factory=dict)
    reply: dict[str, Field] = field(default_factory=dict)
    inline: bool = True
    """Whether all of it is in one line, and told by its one comment."""


class Interface:
    """One file, read strictly: what is not understood is an AssertionError."""

    def __init__(self, text: str) -> None:
        self.name = ""
        self.members: dict[str, Member] = {}
        self._text = text
        self._at = 0
        self._said = False
        self._read()

    def of(self, keyword: str) -> Mapping[str, Member]:
        """Return the members of a sort."""
        return {name: one for name, one in self.members.items() if one.keyword == keyword}

    def _token(self) -> str:
        """Return the next token; remember whether a comment stood directly before it."""
        self._said = False
        while self._at < len(self._text):
            for pattern, said in ((_COMMENT, True), (_SPACE, False)):
                if found := pattern.match(self._text, self._at):
                    gap = not said and found[0].count("\n") > 1
                    self._said = said or (self._said and not gap)
                    self._at = found.end()
                    break
            else:
                found = _TOKEN.match(self._text, self._at)
                assert found, f"not understood: {self._text[self._at : self._at + 40]!r}"
                self._at = found.end()
                return found[0]
        return ""

    def _expect(self, token: str) -> None:
        found = self._token()
        assert found == token, f"{found!r} instead of {token!r}"

    def _read(self) -> None:
        self._expect("interface")
        assert self._said, "the interface has no comment"
        self.name = self._token()
        while keyword := self._token():
            assert keyword in {"type", "method", "error"}, keyword
            member = Member(keyword, self._said)
            begun = self._at
            name = self._token()
            assert name not in self.members, f"{name} twice"
            member.fields = self._fields()
            if keyword == "method":
                self._expect("->")
                member.reply = self._fields()
            member.inline = "\n" not in self._text[begun : self._at]
            self.members[name] = member

    def _fields(self) -> dict[str, Field]:
        self._expect("(")
        fields: dict[str, Field] = {}
        name = self._token()
        while name != ")":
            said = self._said
            self._expect(":")
            type_ = ""
            while (part := self._token()) not in {",", ")"}:
                type_ += part
            assert name not in fields, f"{name} twice"
            fields[name] = Field(type_, said)
            name = part if part == ")" else self._token()
        return fields


def fits(value: object, type_: str, interface: Interface) -> bool:
    """Tell whether a value of JSON is of a type; a struct has every field but the optional ones."""
    if type_.startswith("?"):
        return value is None or fits(value, type_[1:], interface)
    if type_.startswith("[]"):
        return isinstance(value, list) and all(fits(one, type_[2:], interface) for one in value)
    if type_.startswith("[string]"):
        return isinstance(value, dict) and all(
            fits(v, type_[8:], interface) for v in value.values()
        )
    plain: dict[str, type] = {"string": str, "int": int, "bool": bool}
    if type_ in plain:
        return type(value) is plain[type_]
    return fits_fields(value, interface.members[type_].fields, interface)


def fits_fields(value: object, fields: Mapping[str, Field], interface: Interface) -> bool:
    """Tell whether a value has these fields and no other."""
    return (
        isinstance(value, dict)
        and not value.keys() - fields.keys()
        and all(fits(value.get(name), one.type, interface) for name, one in fields.items())
    )
