# SPDX-License-Identifier: MIT
"""Which rule files of several directories count.

A later directory's file replaces an earlier one of the same name, and a link to /dev/null masks it,
as with systemd's units. Unlike there, and unlike sudoers (where a dot in a file's name has it
ignored in silence), everything in these directories counts: what would be ignored is a mistake.
That goes for editors' backups and what package managers leave beside a changed file, too: a rule
that its writer believes to be in force may be in there.
"""

import os
from collections.abc import Iterable

from msgspec import Struct

from fdbrokerd import trusted_path
from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules.mistakes import Mistakes

SUFFIX = ".yaml"


class Survey(Struct, frozen=True):
    """Paths by what becomes of them.

    `replaced` has pairs of a path and the path that is read instead, `masked` pairs of a path and
    the link that masks it. A mask that masks nothing is in neither.
    """

    files: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...]
    masked: tuple[tuple[str, str], ...]


def survey(directories: Iterable[str], mistakes: Mistakes) -> Survey:
    """Return what counts in directories of rising priority; one that is missing has nothing."""
    found: dict[str, list[str]] = {}
    for directory in directories:
        with mistakes.kept():
            for name in _names(directory):
                with mistakes.kept():
                    found.setdefault(_accepted(directory, name), []).append(directory)
    files: list[str] = []
    replaced: list[tuple[str, str]] = []
    masked: list[tuple[str, str]] = []
    for name, holders in sorted(found.items()):
        *earlier, last = (os.path.join(directory, name) for directory in holders)
        with mistakes.kept():
            is_mask = _is_mask(last)
            if not is_mask:
                files.append(last)
            (masked if is_mask else replaced).extend((path, last) for path in earlier)
    return Survey(tuple(files), tuple(replaced), tuple(masked))


def _names(directory: str) -> Iterable[str]:
    try:
        return trusted_path.names(directory)
    except FileNotFoundError:
        return ()


def _accepted(directory: str, name: str) -> str:
    """Return a name that counts."""
    path = os.path.join(directory, name)
    if not path.isprintable():
        raise ConfigurationError("the name holds a character that is not printable", ascii(path))
    if name.startswith(".") or not name.endswith(SUFFIX):
        raise ConfigurationError(
            f"would be ignored, since its name is not of the form NAME{SUFFIX}: "
            "rename it, or move it out of this directory",
            path,
        )
    return name


def _is_mask(path: str) -> bool:
    try:
        return trusted_path.is_null(path)
    except FileNotFoundError as error:
        raise ConfigurationError("leads nowhere, or was just removed", path) from error
