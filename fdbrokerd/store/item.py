# SPDX-License-Identifier: MIT
"""What the store holds, as values."""

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One named descriptor of an item.

    `id` is what it is held under; several parts, of one item or of many, may be one descriptor.
    `type` is what it was judged to be, `what` the same for a person: an address, a path, flags.
    """

    name: str
    id: int
    type: str
    what: str


class Item(msgspec.Struct, frozen=True):
    """A name and the descriptors that are held under it.

    Times are nanoseconds of CLOCK_BOOTTIME, which goes on in suspend and is never set; `expires`
    is None for an item that stays. `transaction` is that of the Put that made it.
    """

    name: str
    owner: int
    created: int
    expires: int | None
    metadata: dict[str, str]
    parts: tuple[Part, ...]
    transaction: str

    @property
    def ids(self) -> tuple[int, ...]:
        """Return what its descriptors are held under, each once."""
        return tuple(dict.fromkeys(part.id for part in self.parts))

    @property
    def kind(self) -> str:
        """Return the sorts of its descriptors, divided by commas."""
        return ",".join(dict.fromkeys(part.type for part in self.parts))

    @property
    def metadata_bytes(self) -> int:
        """Return how long its metadata is, as a quota counts it."""
        return sum(len(key.encode()) + len(text.encode()) for key, text in self.metadata.items())
