# SPDX-License-Identifier: MIT
"""The keys by which a resource holds items, RESOURCE/ITEM, whatever its kind.

names  a glob over the items' own names, where `*` and `?` stay within a level and `**` is any
       number of levels; may hold ${user}, ${uid} and ${gid} of the peer, so that each has
       names of his own. Any name, unless given
quota  how much may be held at once: items, descriptors, per (uid, the default, or store: all)
ttl    how long an item is held: max, and default where nobody says (max, where that is given)

A kind documents which of them it has.
"""

from fdbrokerd.kinds.template import Template
from fdbrokerd.model.holding import Holding, ItemNames, Quota, QuotaPer, Ttl
from fdbrokerd.model.item_glob import item_glob_problem
from fdbrokerd.model.key import Duration, Key, KeyRefused, Section, Size, Text, Values, Whole, Word

MAX_QUOTA = 100_000
"""Of items and of descriptors: beyond what systemd's store or any limit on open files lets a broker
have; what is really there to be had is told when a put is refused."""

MAX_METADATA_QUOTA_BYTES = 64 * 1024 * 1024
"""It is kept in memory twice, and read at each start."""

VERBS_OF_MADE = frozenset({"get", "remove", "list", "watch"})
"""What can be done with named items that a Get makes; nobody puts or takes them."""

_WORD = "\0"
"""Stands for a ${…}: no text of a file holds it."""

_PER = Key(Word(tuple(one.value for one in QuotaPer)), "who shares it; uid unless given")
_COUNTS = {
    "items": Key(Whole(1, MAX_QUOTA), f"how many items, {Quota().items} unless given"),
    "descriptors": Key(Whole(1, MAX_QUOTA), f"of all of them, {Quota().descriptors} unless given"),
}

NAMES = Key(Text(), "a glob of the items' names, ${user}, ${uid} and ${gid} being the peer's")
QUOTA_OF_MADE = Key(Section({**_COUNTS, "per": _PER}), "how much may be held under names at once")
QUOTA_OF_STORE = Key(
    Section(
        {
            **_COUNTS,
            "metadata": Key(Size(MAX_METADATA_QUOTA_BYTES), "of all items together; 64K"),
            "per": _PER,
        }
    ),
    "how much may be held at once",
)
TTL = Key(
    Section(
        {
            "default": Key(Duration(), "where nobody says; max, unless given"),
            "max": Key(Duration(), "at the most; for ever, unless given"),
        }
    ),
    "how long an item is held",
)


def names_of(values: Values) -> ItemNames | None:
    """Return what `names` says. Raises KeyRefused for what no item can be called.

    A level with a ${…} holds no wildcard and no other one: alice's `${user}*` would be
    alice-of-sales' too, and two beside each other could be read in two ways.
    """
    text = values.text("names")
    if text is None:
        return None
    names = ItemNames(Template.of("names", text, frozenset()).pieces)
    levels = "".join(
        piece if at % 2 == 0 else _WORD for at, piece in enumerate(names.pieces)
    ).split("/")
    for level in levels:
        if _WORD in level and (level.count(_WORD) > 1 or set("*?") & set(level)):
            raise KeyRefused(
                "names", "a level with a ${…} holds nothing else that varies: say ${user}/*"
            )
    if problem := item_glob_problem("/".join(levels).replace(_WORD, "x")):
        raise KeyRefused("names", problem)
    return names


def quota_of(values: Values) -> Quota:
    """Return what `quota` says."""
    section = values.section("quota") or Values()
    usual = Quota()
    return Quota(
        items=section.number("items") or usual.items,
        descriptors=section.number("descriptors") or usual.descriptors,
        metadata=section.number("metadata") or usual.metadata,
        per=QuotaPer(section.text("per") or usual.per.value),
    )


def ttl_of(values: Values) -> Ttl:
    """Return what `ttl` says. Raises KeyRefused where the default is more than there may be."""
    section = values.section("ttl") or Values()
    default, most = section.number("default"), section.number("max")
    if default is not None and most is not None and default > most:
        raise KeyRefused("ttl.default", f"is more than max, {most}s")
    if section == {} and "ttl" in values:
        raise KeyRefused("ttl", "says neither default nor max")
    return Ttl(most if default is None else default, most)


def holding_of_made(values: Values, kind: str, *, once: bool = False) -> Holding:
    """Return how named items are held that a Get makes. Raises KeyRefused."""
    return Holding(
        names=names_of(values),
        accept=frozenset({kind}),
        quota=quota_of(values),
        ttl=ttl_of(values),
        once=once,
        makes=True,
    )


def unique(values: Values, key: str) -> frozenset[str]:
    """Return the words of a list. Raises KeyRefused for one that is there twice."""
    words = values.texts(key)
    for index, word in enumerate(words):
        if word in words[:index]:
            raise KeyRefused(f"{key}.{index}", f"{word} is there twice")
    return frozenset(words)
