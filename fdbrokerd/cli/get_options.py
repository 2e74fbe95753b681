# SPDX-License-Identifier: MIT
"""The command line of fdbroker-get, and what it means."""

from __future__ import annotations

from fdbrokerd.cli.options import CommandLine, arguments_of, number_of, timeout_of
from fdbrokerd.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fdbrokerd.cli.options import Takes

_TABLE: Mapping[str, Takes] = {
    "fd": "value",
    "stdin": "perhaps",
    "stdout": "perhaps",
    "stdio": "perhaps",
    "env": "value",
    "replace": "value",
    "listen": "nothing",
    "resource": "value",
    "force": "nothing",
    "take": "nothing",
    "wait": "perhaps",
    "socket": "value",
    "timeout": "value",
    "server-uid": "value",
    "quiet": "nothing",
    "error-status": "value",
    "json": "nothing",
    "help": "nothing",
    "version": "nothing",
}
_SHORT = "I=replace r=resource q=quiet E=error-status h=help"

_STREAMS = {"stdin": (0,), "stdout": (1,), "stdio": (0, 1, 2)}


class Place:
    """One placement: `what` says of which kind, `name` which of several descriptors."""

    __slots__ = ("name", "numbers", "text", "what")

    def __init__(
        self, what: str, name: str | None, *, numbers: tuple[int, ...] = (), text: str = ""
    ) -> None:
        self.what = what
        self.name = name
        self.numbers = numbers
        self.text = text


class Request:
    """One resource to get, and where its descriptors go."""

    __slots__ = ("arguments", "places", "resource")

    def __init__(self, resource: str, arguments: dict[str, str], places: list[Place]) -> None:
        self.resource = resource
        self.arguments = arguments
        self.places = places


class GetOptions:
    """What one call of fdbroker-get asks for."""

    def __init__(self, arguments: list[str]) -> None:
        """Parse and check what can be checked before anybody is asked. Raises UsageError."""
        line = CommandLine(arguments, _TABLE, _SHORT)
        given = dict(line.options)
        self.help = "help" in given
        self.version = "version" in given
        self.quiet = "quiet" in given
        self.force = "force" in given
        self.json = "json" in given
        self.take = "take" in given
        self.wait_seconds = _wait(given.get("wait")) if "wait" in given else None
        self.address = given.get("socket")
        self.timeout_seconds = timeout_of(given.get("timeout"))
        self.server_uid = number_of("--server-uid", given.get("server-uid"))
        self.error_status = number_of("-E", given.get("error-status"), 255)
        self.command = line.command
        self.requests: list[Request] = []
        if self.help or self.version:
            return
        places = [place for option, value in line.options if (place := _place_of(option, value))]
        several = [value or "" for option, value in line.options if option == "resource"]
        if several and (line.operands or places):
            raise UsageError("-r says what and where: give no other resource or place beside it")
        if several:
            self.requests = [_request(text) for text in several]
        else:
            self.requests = [_operands(line.operands, places)]
        self._check()

    def _check(self) -> None:
        if self.command is not None and not self.command:
            raise UsageError("no command after --")
        if self.command and self.json:
            raise UsageError("--json and a command do not go together")
        if not self.command and any(request.places for request in self.requests):
            raise UsageError("a place for descriptors needs a command: -- CMD")
        if not self.command and len(self.requests) > 1 and not self.json:
            raise UsageError("several resources need a command: -- CMD")
        if self.take:
            self._check_take()

    def _check_take(self) -> None:
        if self.json:
            raise UsageError("--json and --take do not go together: it would be taken and closed")
        for request in self.requests:
            if "/" not in request.resource:
                raise UsageError(f"{request.resource}: only an item, STORE/ITEM, can be taken")
            if request.arguments:
                raise UsageError(f"{request.resource}: an item that is taken has no arguments")

    @property
    def placed(self) -> bool:
        """Tell whether a place is named."""
        return any(request.places for request in self.requests)


def _operands(operands: list[str], places: list[Place]) -> Request:
    """Return the request of `RESOURCE [ARG=VALUE…]`."""
    if not operands:
        raise UsageError("no resource")
    return Request(operands[0], arguments_of(operands[1:]), places)


def _request(text: str) -> Request:
    """Return the request of `-r PLACE=RESOURCE[,arg=value…]`."""
    where, equals, what = text.partition("=")
    resource, *arguments = what.split(",")
    if not equals or not where or not resource:
        raise UsageError(f"-r {text}: give PLACE=RESOURCE[,ARG=VALUE...]")
    return Request(resource, arguments_of(arguments), [_place(where)])


def _place(where: str) -> Place:
    """Return the place of `-r`: a number, stdin, stdout, stdio, listen or a variable's name."""
    word, colon, name = where.partition(":")
    if word.isdigit():
        place = _place_of("fd", where)
    elif word in {"stdin", "stdout", "stdio"}:
        place = _place_of(word, name if colon else None)
    elif where == "listen":
        place = _place_of("listen", None)
    else:
        place = _place_of("env", f"{word}={name}" if colon else word)
    assert place is not None  # each of these options is a place
    return place


def _place_of(option: str, value: str | None) -> Place | None:
    """Return the place that an option names, or None for another option. Raises UsageError."""
    if option == "fd":
        number, colon, name = (value or "").partition(":")
        if not (number.isascii() and number.isdigit() and int(number) < 2**31):
            raise UsageError(f"--fd {value}: give N or N:NAME")
        return Place("fd", name if colon else None, numbers=(int(number),))
    if option in _STREAMS:
        return Place("stream", value, numbers=_STREAMS[option])
    if option == "env":
        variable, equals, name = (value or "").partition("=")
        if not (variable.isascii() and variable.isidentifier()):
            raise UsageError(f"--env {value}: not a variable's name")
        return Place("env", name if equals else None, text=variable)
    if option == "replace":
        if not value:
            raise UsageError("-I: give a text to replace")
        return Place("replace", None, text=value)
    return Place("listen", None) if option == "listen" else None


def _wait(text: str | None) -> float:
    """Return how long to wait; without a time, for ever."""
    if text is None or text == "infinity":
        return float("inf")
    from fdbrokerd.cli.duration import seconds_of  # noqa: PLC0415

    return seconds_of("--wait", text)
