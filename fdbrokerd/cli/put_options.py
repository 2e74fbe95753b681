# SPDX-License-Identifier: MIT
"""The command line of fdbroker-put, and what it means."""

from __future__ import annotations

from fdbrokerd.cli.duration import seconds_of
from fdbrokerd.cli.options import CommandLine, number_of, timeout_of
from fdbrokerd.client.offer import ONLY_NAME, check_name
from fdbrokerd.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fdbrokerd.cli.options import Takes

_TABLE: Mapping[str, Takes] = {
    "fd": "value",
    "replace": "nothing",
    "ttl": "value",
    "meta": "value",
    "socket": "value",
    "timeout": "value",
    "server-uid": "value",
    "quiet": "nothing",
    "error-status": "value",
    "json": "nothing",
    "help": "nothing",
    "version": "nothing",
}
_SHORT = "q=quiet E=error-status h=help"

_STANDARD_INPUT = "0"


class PutOptions:
    """What one call of fdbroker-put asks for."""

    def __init__(self, arguments: list[str]) -> None:
        """Parse and check what can be checked before anybody is asked. Raises UsageError."""
        line = CommandLine(arguments, _TABLE, _SHORT)
        given = dict(line.options)
        self.help = "help" in given
        self.version = "version" in given
        self.quiet = "quiet" in given
        self.json = "json" in given
        self.replace = "replace" in given
        self.address = given.get("socket")
        self.timeout_seconds = timeout_of(given.get("timeout"))
        self.server_uid = number_of("--server-uid", given.get("server-uid"))
        self.error_status = number_of("-E", given.get("error-status"), 255)
        ttl = given.get("ttl")
        self.ttl_seconds = None if ttl is None else seconds_of("--ttl", ttl)
        self.metadata = _metadata(_all(line, "meta"))
        self.descriptors = _descriptors(_all(line, "fd") or [_STANDARD_INPUT])
        self.item = ""
        if self.help or self.version:
            return
        if line.command is not None:
            raise UsageError("there is no command to run: fdbroker-put only puts")
        if len(line.operands) != 1:
            more = line.operands[1:]
            raise UsageError(f"one name at a time: {more[0]}" if more else "no name: STORE/ITEM")
        (self.item,) = line.operands
        if "/" not in self.item.strip("/"):
            raise UsageError(f"not the name of an item: {self.item!r}: give STORE/ITEM")


def _all(line: CommandLine, option: str) -> list[str]:
    """Return the values of an option that may be given again."""
    return [value or "" for name, value in line.options if name == option]


def _descriptors(texts: list[str]) -> dict[str, int]:
    """Return numbers by name, of `N[:NAME]` each."""
    descriptors: dict[str, int] = {}
    unnamed = 0
    for text in texts:
        number, colon, name = text.partition(":")
        if not (number.isascii() and number.isdigit() and int(number) < 2**31):
            raise UsageError(f"--fd {text}: give N or N:NAME")
        if not colon:
            name = ONLY_NAME if len(texts) == 1 else f"{ONLY_NAME}{unnamed}"
            unnamed += 1
        check_name(name)
        if name in descriptors:
            raise UsageError(f"--fd {text}: two descriptors of the name {name}")
        descriptors[name] = int(number)
    return descriptors


def _metadata(texts: list[str]) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--meta {text}: give KEY=VALUE")
        if key in metadata:
            raise UsageError(f"--meta {key} is given twice")
        metadata[key] = value
    return metadata
