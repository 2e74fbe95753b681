# SPDX-License-Identifier: MIT
"""What the service manager kept for us over a restart, told apart from the doors by its name."""

import re
from collections.abc import Iterable

from msgspec import Struct, field

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.systemd import Passed

TABLE_NAMES = ("t0", "t1")

NAMELESS = "stored"
"""What systemd calls a descriptor whose name it could not take (sd_listen_fds_with_names(3))."""

_ID = re.compile(r"i([1-9][0-9]{0,17})")


class Kept(Struct, frozen=True):
    """The memfds of the table, and the descriptors by their ids; all owned here."""

    tables: dict[str, OwnedFd] = field(default_factory=dict)
    descriptors: dict[int, OwnedFd] = field(default_factory=dict)
    strays: list[OwnedFd] = field(default_factory=list)
    """Of no name, or one that is there already: nothing that was ever put so."""

    def close(self) -> None:
        """Close what nobody took over."""
        close_all([*self.tables.values(), *self.descriptors.values(), *self.strays])


def divide(passed: Iterable[Passed]) -> tuple[Kept, list[Passed]]:
    """Return what was kept, and the rest: the doors."""
    kept, doors = Kept(), list[Passed]()
    for each in passed:
        found = _ID.fullmatch(each.name)
        if found and int(found[1]) not in kept.descriptors:
            kept.descriptors[int(found[1])] = each.descriptor
        elif each.name in TABLE_NAMES and each.name not in kept.tables:
            kept.tables[each.name] = each.descriptor
        elif found or each.name in {*TABLE_NAMES, NAMELESS}:
            kept.strays.append(each.descriptor)
        else:
            doors.append(each)
    return kept, doors
