# SPDX-License-Identifier: MIT
"""Peers in files: the ones that a rule is about, and the one that a test pretends to be."""

from collections.abc import Mapping
from types import MappingProxyType

from fdbrokerd.accounts import MAX_ID, group_id, groups_of, user_id
from fdbrokerd.model.key import Ids, Key, Many, Names, Section, Text, Values, Whole
from fdbrokerd.model.peer import UNMAPPED_ID, IdRanges, Peer, PeerMatch
from fdbrokerd.rules.mistakes import shown
from fdbrokerd.rules.reader import Reading

MATCH_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "user": Key(Names(), "the peer's user is one of these"),
        "uid": Key(Ids(), "the peer's uid is one of these"),
        "group": Key(Names(group=True), "one of the peer's groups is one of these"),
        "gid": Key(Ids(), "one of the peer's gids is one of these"),
    }
)
MATCH = Section(MATCH_KEYS)

PRETENDED_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "user": Key(Text(), "uid and groups as the system knows them of this user"),
        "uid": Key(Whole(0, MAX_ID), "a uid, of which no group is known"),
        "group": Key(Many(Text()), "groups beside the user's own"),
        "gid": Key(Many(Whole(0, MAX_ID)), "gids beside the user's own"),
    }
)
PRETENDED = Section(PRETENDED_KEYS)


def match_of(reading: Reading, key: str) -> PeerMatch | None:
    """Return which peers a key with a section of MATCH_KEYS means, None where it is not given."""
    values = reading.values.section(key)
    if values is None:
        return None
    if not values:
        raise reading.wrong("says nothing; name a user, uid, group or gid", key)
    uids = _sets(values, "user", "uid")
    if len(uids) == 2 and not uids[0].common(uids[1]).ranges:
        raise reading.wrong("nobody can be of this user and this uid: both must hold", key)
    return PeerMatch(uids, _sets(values, "group", "gid"))


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


def pretended(reading: Reading, key: str) -> Peer:
    """Return the peer that a key with a section of PRETENDED_KEYS describes.

    Of a bare uid no group is known, so a rule about groups is unknown for it, on every machine.
    """
    values = reading.values.section(key)
    assert values is not None
    if ("user" in values) == ("uid" in values):
        raise reading.wrong("names either a user or a uid", key)
    uid = values.number("uid")
    own: tuple[int, ...] = ()
    if uid is None:
        user = values.text("user") or ""
        uid, own = user_id(user), groups_of(user)
        if uid is None:
            raise reading.wrong(f"there is no user {shown(user)}", key, "user")
    groups = (*own, *_groups(reading, key, values)) or (UNMAPPED_ID,)
    return Peer(pid=0, uid=uid, gid=groups[0], groups=frozenset(groups))


def _groups(reading: Reading, key: str, values: Values) -> list[int]:
    """Return the gids of the keys `gid` and `group`."""
    numbers, names = values.get("gid", ()), values.get("group", ())
    assert isinstance(numbers, tuple)
    assert isinstance(names, tuple)
    found = list(numbers)
    for index, name in enumerate(names):
        number = group_id(name)
        if number is None:
            raise reading.wrong(f"there is no group {shown(name)}", key, "group", index)
        found.append(number)
    return found
