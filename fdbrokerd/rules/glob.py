# SPDX-License-Identifier: MIT
"""Globs that can never match: in an allow a riddle, in a deny a hole, and a mistake in both."""

from fdbrokerd.model.cgroup import UNIT_TYPES
from fdbrokerd.model.match import PATH_KEYS

MAX_GLOB_CHARACTERS = 255
"""A unit's name is at most as long (systemd.unit(5)), and no path that a rule names is longer."""

_WILD = frozenset("*?")

_NO_CONTAINER = "is not of the form ENGINE:NAME, as in podman:web"


def glob_problem(key: str, glob: str) -> str | None:
    """Return why a glob can never match what a key of the rules is about, or None."""
    if len(glob) > MAX_GLOB_CHARACTERS:
        return f"is longer than {MAX_GLOB_CHARACTERS} characters"
    if key == "label":
        return None
    return _path_problem(glob) if key in PATH_KEYS else _name_problem(key, glob)


def _name_problem(key: str, glob: str) -> str | None:
    if "/" in glob:
        return "holds a '/'" if key == "container" else "is a path: say cgroup"
    if "[" in glob:
        return "holds a '[', which no name does: a glob knows * and ?"
    if key == "container":
        named = ":" in glob or _WILD & set(glob) or glob == "other"
        return None if named else _NO_CONTAINER
    return _slice_problem(glob) if key == "slice" else _unit_problem(glob)


def _path_problem(glob: str) -> str | None:
    if not glob.startswith("/") or "//" in glob or (glob != "/" and glob.endswith("/")):
        return "is not an absolute path without '//' or a '/' at its end"
    levels = glob.split("/")
    if "." in levels or ".." in levels:
        return "holds '.' or '..', which no path here does"
    if any("**" in level and level != "**" for level in levels):
        return "has `**` in a level: it stands for whole levels"
    return None


def _slice_problem(glob: str) -> str | None:
    if glob.endswith(".slice") or _WILD & set(glob.rpartition(".")[2]):
        return None
    return "is no name of a slice, as system.slice is"


def _unit_problem(glob: str) -> str | None:
    """Return why no unit with processes has such a name; a suffix with a wildcard may be any."""
    suffix = glob.rpartition(".")[2]
    wild = "." in glob and _WILD & set(suffix)
    if wild or suffix.endswith("*") or ("." in glob and suffix in UNIT_TYPES):
        return None
    say = ", ".join(f".{one}" for one in UNIT_TYPES) if "." in glob else f"say {glob}.service"
    return f"is no name of a unit that has processes: {say}"
