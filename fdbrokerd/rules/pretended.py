# SPDX-License-Identifier: MIT
"""Peers that are made up: who a test is `as`, and whom an administrator asks about.

Names become numbers where a file or a command line is read. What goes on from there, over a socket
too, is a `Pretence`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from fdbrokerd.accounts import MAX_ID, group_id, groups_of, user_id
from fdbrokerd.model.cgroup import membership
from fdbrokerd.model.facts import KEYS as FACT_KEYS
from fdbrokerd.model.facts import Facts
from fdbrokerd.model.key import Key, KeyRefused, Many, Section, Text, Values, Whole
from fdbrokerd.model.peer import UNMAPPED_ID, Peer
from fdbrokerd.rules.mistakes import shown
from fdbrokerd.rules.reader import Reading

PRETENDED_KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "user": Key(Text(), "uid and groups as the system knows them of this user"),
        "uid": Key(Whole(0, MAX_ID), "a uid, of which no group is known"),
        "group": Key(Many(Text()), "groups beside the user's own"),
        "gid": Key(Many(Whole(0, MAX_ID)), "gids beside the user's own"),
        **{key: Key(Text(), f"its {key}; none unless given") for key in FACT_KEYS},
    }
)
PRETENDED = Section(PRETENDED_KEYS)


class Pretence(Struct, frozen=True):
    """A made-up peer as it was described: numbers, and facts by the keys of the rules."""

    uid: int | None
    gids: tuple[int, ...]
    facts: Mapping[str, str]

    def peer(self) -> Peer:
        """Return the peer.

        Without a uid or gids they are unknown, so that rules about groups are unknown for a bare
        uid, on every machine. A fact that is not given is one that it has not: a peer without a
        unit, not one of whom it is unknown. One in a container is of another namespace.
        """
        gids = self.gids or (UNMAPPED_ID,)
        facts = _facts(self.facts, self.uid)
        return Peer(
            pid=0,
            uid=UNMAPPED_ID if self.uid is None else self.uid,
            gid=gids[0],
            groups=frozenset(gids),
            facts=facts,
            foreign=facts.container is not None,
        )

    def wire(self) -> Mapping[str, object]:
        """Return what io.fdbroker.Manager.Explain takes as `as`."""
        told: dict[str, object] = {_camel(key): text for key, text in self.facts.items()}
        if self.uid is not None:
            told["uid"] = self.uid
        if self.gids:
            told["gids"] = list(self.gids)
        return told


def pretend(values: Values) -> Pretence:
    """Return what the keys of PRETENDED_KEYS describe, with names resolved. Raises KeyRefused."""
    if "user" in values and "uid" in values:
        raise KeyRefused("", "names either a user or a uid")
    if "user" not in values and "uid" not in values and "unit" not in values:
        raise KeyRefused("", "names a user, a uid or a unit")
    uid = values.number("uid")
    own: tuple[int, ...] = ()
    if "user" in values:
        user = values.text("user") or ""
        uid, own = user_id(user), groups_of(user)
        if uid is None:
            raise KeyRefused("user", f"there is no user {shown(user)}")
    facts = {key: text for key in FACT_KEYS if (text := values.text(key)) is not None}
    return Pretence(uid, (*own, *_gids(values)), MappingProxyType(facts))


def pretended(reading: Reading, key: str) -> Peer:
    """Return the peer that a key with a section of PRETENDED_KEYS describes."""
    values = reading.values.section(key)
    assert values is not None
    try:
        return pretend(values).peer()
    except KeyRefused as refusal:
        where = refusal.key.split(".") if refusal.key else ()
        raise reading.wrong(
            str(refusal), key, *(int(part) if part.isdigit() else part for part in where)
        ) from refusal


def _gids(values: Values) -> list[int]:
    """Return the numbers of the keys `gid` and `group`."""
    numbers, names = values.get("gid", ()), values.get("group", ())
    assert isinstance(numbers, tuple)
    assert isinstance(names, tuple)
    found = list(numbers)
    for index, name in enumerate(names):
        number = group_id(name)
        if number is None:
            raise KeyRefused(f"group.{index}", f"there is no group {shown(name)}")
        found.append(number)
    return found


def _facts(given: Mapping[str, str], uid: int | None) -> Facts:
    """Return the facts: a unit has a cgroup, a cgroup a unit, a user's unit its manager's."""
    cgroup = given.get("cgroup")
    if cgroup is None and "unit" in given:
        cgroup = f"/{given.get('slice', 'system.slice')}/{given['unit']}"
    elif cgroup is None and "user-unit" in given and uid is not None:
        manager = f"/user.slice/user-{uid}.slice/user@{uid}.service"
        cgroup = f"{manager}/app.slice/{given['user-unit']}"
    where = membership(cgroup or "/")
    return Facts(
        unit=given.get("unit", where.unit),
        user_unit=given.get("user-unit", where.user_unit),
        slice=given.get("slice", where.slice),
        cgroup=cgroup,
        container=given.get("container", where.container),
        label=given.get("label"),
        exe=given.get("exe"),
    )


def _camel(key: str) -> str:
    """Return a key as the wire has it (`userUnit`)."""
    first, *others = key.split("-")
    return first + "".join(part.capitalize() for part in others)
