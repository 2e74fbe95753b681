# SPDX-License-Identifier: MIT
"""Which peers a rule is about, as its key `peer` says it."""

from collections.abc import Mapping
from types import MappingProxyType

from fdbrokerd.model.facts import KEYS as FACT_KEYS
from fdbrokerd.model.key import Ids, Key, Many, Names, Section, Text, Values
from fdbrokerd.model.match import FactMatch, PeerMatch
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges
from fdbrokerd.rules.glob import glob_problem
from fdbrokerd.rules.mistakes import shown
from fdbrokerd.rules.reader import Path, Reading

_FACT_SAYS = {
    "unit": "the peer's unit is one of these: names or globs",
    "user-unit": "the peer's unit of its user's manager is one of these",
    "slice": "the slice that holds the peer's unit is one of these",
    "cgroup": "the peer's cgroup is one of these paths; `*` is within a level, `**` any levels",
    "container": "the peer's container is one of these: ENGINE:NAME, or '*' for any",
    "label": "the security module's label of the peer is one of these",
    "exe": "the peer's program is one of these paths; advisory, so never alone",
}
_match_keys: dict[str, Key] = {
    "user": Key(Names(), "the peer's user is one of these"),
    "uid": Key(Ids(), "the peer's uid is one of these"),
    "group": Key(Names(group=True), "one of the peer's groups is one of these"),
    "gid": Key(Ids(), "one of the peer's gids is one of these"),
    **{key: Key(Many(Text()), _FACT_SAYS[key]) for key in FACT_KEYS},
}
MATCH_KEYS: Mapping[str, Key] = MappingProxyType(_match_keys)
MATCH = Section(MATCH_KEYS)
_match_keys["any"] = Key(Many(MATCH), "one of these holds")
_match_keys["not"] = Key(Many(MATCH), "none of these holds")

_STRONG = frozenset(MATCH_KEYS) - {"exe", "user-unit", "container", "any", "not"}
"""What whoever runs as the same user cannot borrow. A user's unit is named by that user, and a
namespace is made by whoever wants one."""

_ALL_IDS = IdRanges(((0, UNMAPPED_ID - 1),))


def match_of(reading: Reading, key: str) -> PeerMatch | None:
    """Return which peers a key with a section of MATCH_KEYS means, None where it is not given."""
    values = reading.values.section(key)
    return None if values is None else _match(reading, values, (key,), strong=False)


def _match(reading: Reading, values: Values, path: Path, *, strong: bool) -> PeerMatch:
    """Return one match; `strong` tells whether a strong key holds beside it, outside."""
    if not values:
        raise reading.wrong("says nothing; name a user, uid, group, gid or unit", *path)
    strong = strong or _is_strong(values)
    uids = _sets(values, "user", "uid")
    if len(uids) == 2 and not uids[0].common(uids[1]).ranges:
        raise reading.wrong("nobody can be of this user and this uid: both must hold", *path)
    any_of = _matches(reading, values, path, "any", strong=strong)
    none_of = _matches(reading, values, path, "not", strong=strong)
    if "exe" in values and not strong:
        raise reading.wrong(
            "is advisory: whoever runs as the same user can borrow a program's name. "
            "Say a user, uid, group or unit beside it",
            *path,
            "exe",
        )
    return PeerMatch(
        uids=uids,
        gids=_sets(values, "group", "gid"),
        facts=tuple(_fact(reading, values, path, key) for key in FACT_KEYS if key in values),
        any_of=(any_of,) if any_of else (),
        none_of=none_of,
    )


def _is_strong(values: Values) -> bool:
    """Tell whether a key that cannot be borrowed must hold: one here, or one in each of `any`.

    What holds for every peer is none, nor is what must not hold.
    """
    if any(key in values and not _holds_for_all(values[key]) for key in _STRONG):
        return True
    branches = values.get("any", ())
    assert isinstance(branches, tuple)
    return bool(branches) and all(map(_is_strong, branches))


def _holds_for_all(value: object) -> bool:
    """Tell whether one of the globs, or the ids, leave nobody out."""
    assert isinstance(value, tuple)
    if all(isinstance(one, tuple) for one in value):
        return IdRanges(value).includes(_ALL_IDS)
    return any(isinstance(one, str) and not one.strip("*?/") for one in value)


def _matches(
    reading: Reading, values: Values, path: Path, key: str, *, strong: bool
) -> tuple[PeerMatch, ...]:
    """Return the matches in a list, or of a single one."""
    sections = values.get(key, ())
    assert isinstance(sections, tuple)
    return tuple(
        _match(reading, section, (*path, key, index), strong=strong)
        for index, section in enumerate(sections)
    )


def _fact(reading: Reading, values: Values, path: Path, key: str) -> FactMatch:
    globs = values[key]
    assert isinstance(globs, tuple)
    for index, glob in enumerate(globs):
        if problem := glob_problem(key, glob):
            raise reading.wrong(f"{shown(glob)} {problem}", *path, key, index)
    return FactMatch(key, globs)


def _sets(values: Values, names: str, ranges: str) -> tuple[IdRanges, ...]:
    """Return a set for each of the two keys that is given: both must hold."""
    sets = []
    if numbers := values.get(names):
        assert isinstance(numbers, tuple)
        sets.append(IdRanges(tuple((number, number) for number in numbers)))
    if pairs := values.get(ranges):
        assert isinstance(pairs, tuple)
        sets.append(IdRanges(pairs))
    return tuple(sets)
