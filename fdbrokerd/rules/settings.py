# SPDX-License-Identifier: MIT
"""The daemon's own settings, /etc/fdbrokerd/fdbrokerd.yaml: listeners, limits, audit, admins."""

import os
from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from fdbrokerd import trusted_path
from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.key import Flag, Key, Many, Mode, Section, Text, Values, Whole
from fdbrokerd.model.rule import covered
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.settings import (
    DEFAULT_MODE,
    MAX_CONNECTIONS_PER_UID,
    Audit,
    Limits,
    Listener,
    Settings,
)
from fdbrokerd.rules.document import Node, parse, wrong
from fdbrokerd.rules.mistakes import Mistakes, nearest, shown
from fdbrokerd.rules.peer import MATCH, match_of
from fdbrokerd.rules.reader import FORMAT, Reading, header, read

PATH = "/etc/fdbrokerd/fdbrokerd.yaml"

MAX_ADDRESS_BYTES = 107
"""Of sun_path's 108 (unix(7)): a NUL ends a path, or begins an abstract name."""

_UP_TO_A_MINUTE = Whole(1, 60)

SETTINGS_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "fdbroker": Key(Text(), f"the format of this file, {FORMAT}", required=True),
        "listen": Key(
            Many(
                Section(
                    {
                        "address": Key(Text(), "@NAME or an absolute path", required=True),
                        "mode": Key(Mode(), 'of a path, "0666" unless given'),
                        "resources": Key(Many(Text()), "names or globs; all unless given"),
                    }
                )
            ),
            "where peers connect",
        ),
        "rules-dirs": Key(Many(Text()), "directories of rule files, of rising priority"),
        "admins": Key(MATCH, "who may manage the broker beside root"),
        "limits": Key(
            Section(
                {
                    "connections": Key(Whole(1, 1_000_000), "at once, of all peers"),
                    "connections-per-uid": Key(Whole(1, 1_000_000), "at once, of one uid"),
                    "message-seconds": Key(_UP_TO_A_MINUTE, "from a call's first byte to its last"),
                    "reply-seconds": Key(_UP_TO_A_MINUTE, "until a reply must have been read"),
                }
            ),
            "what peers can make the broker hold",
        ),
        "audit": Key(
            Section(
                {
                    "journal": Key(Flag(), "write to the journal; true unless given"),
                    "file": Key(Text(), "write to this file, too"),
                    "required": Key(Flag(), "write the record before the reply, or refuse"),
                }
            ),
            "where the record of each request goes",
        ),
    }
)


def check_resources(settings: Settings, ruleset: Ruleset) -> None:
    """Raise a ConfigurationError for a listener that names what the rules do not define.

    `*` means all there are, be it none.
    """
    mistakes = Mistakes()
    for listener in settings.listen:
        for entry in set(listener.resources) - {"*"}:
            if listener.place and not any(covered(name, (entry,)) for name in ruleset.resources):
                message = f"resources: there is no {shown(entry)}"
                message += nearest(entry, ruleset.resources)
                if "/" in entry:
                    message = f"resources: {shown(entry)} names items: here a resource is served "
                    message += "whole, and rules narrow it"
                mistakes.add(wrong(message, listener.place))
    mistakes.check()


def load_settings(path: str = PATH) -> Settings:
    """Return what a settings file says. FileNotFoundError is left to the caller."""
    return settings_of(parse(trusted_path.read(path), path))


def load_named_settings(path: str | None) -> Settings:
    """Return what the settings file says that a command line names, or where it names none.

    The usual file may be missing; one that was named must be there.
    """
    try:
        return load_settings(path or PATH)
    except FileNotFoundError as error:
        if path is not None:
            raise ConfigurationError("there is no such file", path) from error
        return Settings.default()


def settings_of(node: Node) -> Settings:
    """Return what the document of a settings file says."""
    header(node)
    reading = read(node, SETTINGS_KEYS)
    default = Settings.default()
    listen, rules_dirs, admins = default.listen, default.rules_dirs, default.admins
    limits, audit = default.limits, default.audit
    mistakes = Mistakes()
    with mistakes.kept():
        listen = _listeners(reading) or listen
    with mistakes.kept():
        rules_dirs = _directories(reading) or rules_dirs
    with mistakes.kept():
        admins = match_of(reading, "admins")
    with mistakes.kept():
        limits = _limits(reading)
    with mistakes.kept():
        audit = _audit(reading)
    mistakes.check()
    return Settings(listen, rules_dirs, admins, limits, audit)


def _listeners(reading: Reading) -> tuple[Listener, ...]:
    sections = reading.values.get("listen", ())
    assert isinstance(sections, tuple)
    mistakes = Mistakes()
    found: list[Listener] = []
    for index, values in enumerate(sections):
        with mistakes.kept():
            _check_address(reading, values, index, {one.address for one in found})
            mode, resources = values.number("mode"), values.get("resources", ("*",))
            found.append(
                Listener(
                    values.text("address") or "",
                    DEFAULT_MODE if mode is None else mode,
                    resources,
                    reading.place("listen", index, "resources") if "resources" in values else None,
                )
            )
    mistakes.check()
    return tuple(found)


def _check_address(reading: Reading, values: Values, index: int, others: set[str]) -> None:
    address = values.text("address") or ""
    where = ("listen", index, "address")
    if address in others:
        raise reading.wrong(f"{shown(address)} is there twice", *where)
    if len(address.encode()) > MAX_ADDRESS_BYTES:
        raise reading.wrong(f"is longer than {MAX_ADDRESS_BYTES} bytes", *where)
    if address.startswith("@"):
        if address == "@":
            raise reading.wrong("an abstract name has at least one letter", *where)
        if "mode" in values:
            raise reading.wrong("goes with a path: abstract names have none", *where[:2], "mode")
    else:
        _check_path(reading, address, *where)


def _directories(reading: Reading) -> tuple[str, ...]:
    paths = reading.values.get("rules-dirs", ())
    assert isinstance(paths, tuple)
    for index, path in enumerate(paths):
        _check_path(reading, path, "rules-dirs", index)
        if path in paths[:index]:
            raise reading.wrong(f"{shown(path)} is there twice", "rules-dirs", index)
    return paths


def _limits(reading: Reading) -> Limits:
    section = reading.values.section("limits") or Values()
    given = {key.replace("-", "_"): section.number(key) for key in section}
    limits = Limits(**{name: number for name, number in given.items() if number is not None})
    if "connections-per-uid" not in section:  # fewer in all are fewer for each
        return replace(limits, connections_per_uid=min(limits.connections, MAX_CONNECTIONS_PER_UID))
    if limits.connections_per_uid > limits.connections:
        raise reading.wrong(
            f"{limits.connections_per_uid} is more than connections, {limits.connections}",
            "limits",
            "connections-per-uid",
        )
    return limits


def _audit(reading: Reading) -> Audit:
    section = reading.values.section("audit") or Values()
    journal = section.flag("journal") if "journal" in section else True
    audit = Audit(journal, section.text("file"), section.flag("required"))
    if audit.file is not None:
        _check_path(reading, audit.file, "audit", "file")
    if audit.required and not audit.journal and audit.file is None:
        raise reading.wrong("has neither journal nor file to write to", "audit", "required")
    return audit


def _check_path(reading: Reading, path: str, *where: str | int) -> None:
    if not path.startswith("/") or path.startswith("//") or os.path.normpath(path) != path:
        message = f"{shown(path)} is not an absolute path without '..', '//' or a '/' at its end"
        raise reading.wrong(message, *where)
