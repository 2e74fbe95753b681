# SPDX-License-Identifier: MIT
"""What the broker tells, as values. `fields` is what came, with what a newer broker adds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fdbrokerd.client.fields import Fields


class Held:
    """One descriptor of an item: its name, its type, and what it is, for a person."""

    __slots__ = ("name", "type", "what")

    def __init__(self, fields: Fields) -> None:
        self.name = fields.text("name")
        self.type = fields.text("type")
        self.what = fields.text("what")

    def __repr__(self) -> str:
        return f"<Held {self.name!r}: {self.type}, {self.what!r}>"


class Item:
    """A resource that this peer may get, or an item that is held.

    Of an item there is also who put it, and when (CLOCK_REALTIME); `expires_usec` is None where
    nothing removes it by itself.
    """

    __slots__ = (
        "created_usec",
        "descriptors",
        "expires_usec",
        "fields",
        "holders",
        "kind",
        "metadata",
        "name",
        "owner",
        "state",
    )

    def __init__(self, fields: Fields) -> None:
        self.fields: Mapping[str, object] = fields.values
        self.name = fields.text("name")
        self.kind = fields.text("kind")
        self.state = fields.text("state")
        self.holders = fields.number("holders")
        self.owner = fields.perhaps_number("owner")
        self.created_usec = fields.perhaps_number("createdUSec")
        self.expires_usec = fields.perhaps_number("expiresUSec")
        self.metadata: Mapping[str, str] = (
            fields.texts("metadata") if fields.has("metadata") else {}
        )
        held = fields.objects("descriptors") if fields.has("descriptors") else ()
        self.descriptors = tuple(Held(one) for one in held)

    def __repr__(self) -> str:
        return f"<Item {self.name!r}: {self.kind}, {self.state}>"


class Event:
    """Something that happened to an item: "added", "replaced", "removed", "expired", "hangup"."""

    __slots__ = ("event", "fields", "last", "resource")

    def __init__(self, fields: Fields, *, last: bool = False) -> None:
        self.fields: Mapping[str, object] = fields.values
        self.event = fields.text("event")
        self.resource = fields.text("resource")
        self.last = last
        """Whether the broker said that no more will come."""

    def __repr__(self) -> str:
        return f"<Event {self.event} {self.resource!r}>"


class Peer:
    """Who the broker takes this process for."""

    __slots__ = ("fields", "gid", "groups", "pid", "uid")

    def __init__(self, fields: Fields) -> None:
        self.fields: Mapping[str, object] = fields.values
        self.pid = fields.number("pid")
        self.uid = fields.number("uid")
        self.gid = fields.number("gid")
        self.groups = fields.numbers("groups")

    def __repr__(self) -> str:
        return f"<Peer pid {self.pid}, uid {self.uid}, gid {self.gid}>"


class Explanation:
    """Whether it is allowed, and a text for a person that says why."""

    __slots__ = ("allowed", "text")

    def __init__(self, fields: Fields) -> None:
        self.allowed = fields.flag("allowed")
        self.text = fields.text("text")

    def __repr__(self) -> str:
        return f"<Explanation: {'allowed' if self.allowed else 'denied'}>"
