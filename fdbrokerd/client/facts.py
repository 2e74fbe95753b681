# SPDX-License-Identifier: MIT
"""What the broker tells, as values. `fields` is what came, with what a newer broker adds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fdbrokerd.client.fields import Fields


class Item:
    """Something that this peer may get, or put itself."""

    __slots__ = ("fields", "holders", "kind", "name", "state")

    def __init__(self, fields: Fields) -> None:
        self.fields: Mapping[str, object] = fields.values
        self.name = fields.text("name")
        self.kind = fields.text("kind")
        self.state = fields.text("state")
        self.holders = fields.number("holders")

    def __repr__(self) -> str:
        return f"<Item {self.name!r}: {self.kind}, {self.state}>"


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
