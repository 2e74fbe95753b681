# SPDX-License-Identifier: MIT
"""The store as it was before the daemon ended: the table, and the descriptors that it names.

a descriptor that no item names   an interrupted Put, or a removal: closed, and told
an item that lacks a descriptor   cannot be had any more: removed, and told
no table that can be read         all descriptors stay, without a name, until somebody decides
"""

from collections.abc import Callable
from dataclasses import dataclass

from fdbrokerd.fd import OwnedFd
from fdbrokerd.judge import bucket, same_file
from fdbrokerd.model.holding import Holding
from fdbrokerd.server.kept import NAMELESS, TABLE_NAMES, Kept
from fdbrokerd.store.alarm import Alarm
from fdbrokerd.store.hangups import Hangups
from fdbrokerd.store.held import Dismiss, Held, Keeper
from fdbrokerd.store.log import TableLost
from fdbrokerd.store.records import Gone
from fdbrokerd.store.store import Store
from fdbrokerd.store.table import Table

Watch = Callable[[int, Callable[[], None]], None]
Unwatch = Callable[[int], object]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the store stands on: who keeps copies, who closes, the loop, the rules, the journal."""

    keeper: Keeper
    dismiss: Dismiss
    watch: Watch
    unwatch: Unwatch
    holding_of: Callable[[str], Holding | None]
    tell: Tell


def revive(kept: Kept, around: Surroundings) -> Store:
    """Return the store that was kept, or an empty one; owns what was kept from here on.

    Raises OSError.
    """
    hangups = Hangups(around.watch, around.unwatch)
    held = Held(around.keeper, around.dismiss, same_file, bucket, hangups.forget)
    table, is_known = _table(kept, around)
    for identity, descriptor in kept.descriptors.items():
        held.add(identity, descriptor, kept=around.keeper.durable)
        table.state.pass_over(identity)
    if kept.strays:
        around.tell(f"{len(kept.strays)} descriptors came back without a name, and are closed")
        around.keeper.drop(NAMELESS)
        around.dismiss(kept.strays)
    _lose_incomplete(table, held, around.tell)
    for item in table.state.items.values():
        for part in item.parts:
            held.use(part.id)
    if is_known:
        _let_orphans_go(kept, table, held, around.tell)
    alarm = Alarm(around.watch, around.unwatch)
    return Store(table, held, hangups, alarm, around.holding_of, around.keeper.room)


def _table(kept: Kept, around: Surroundings) -> tuple[Table, bool]:
    """Return the table, and whether it says what the descriptors are."""
    if not around.keeper.durable:
        return Table.in_memory(), True
    memories = list(kept.tables.values())
    if not memories:
        if kept.descriptors:
            around.tell(_lost(kept, "came back without the table of their names"))
        return _new_table(around), not kept.descriptors
    try:
        table = Table.load(*memories)
    except TableLost as error:
        around.tell(_lost(kept, str(error)))
        for name in TABLE_NAMES:
            around.keeper.drop(name)
        return _new_table(around), False
    if table.cut_bytes:
        around.tell(f"{table.cut_bytes} bytes of an unfinished record were cut off the table")
    for name, memory in zip(sorted({*TABLE_NAMES} - {*kept.tables}), table.fresh, strict=True):
        _keep(name, memory, around)
    return table, True


def _new_table(around: Surroundings) -> Table:
    table = Table.create()
    for name, memory in zip(TABLE_NAMES, table.fresh, strict=True):
        _keep(name, memory, around)
    return table


def _keep(name: str, memory: OwnedFd, around: Surroundings) -> None:
    def kept(error: OSError | None) -> None:
        if error is not None:
            around.tell(f"the table {name} cannot be kept by the service manager: {error}")

    around.keeper.keep(name, memory.fileno(), kept)


def _lost(kept: Kept, why: str) -> str:
    return (
        f"{len(kept.descriptors)} held descriptors have lost their names ({why}); they stay with "
        "the service manager: `systemd-analyze fdstore` shows them, and "
        "`systemctl clean --what=fdstore` of the stopped service closes them"
    )


def _lose_incomplete(table: Table, held: Held, tell: Tell) -> None:
    """Remove the items of which a descriptor did not come back."""
    for item in list(table.state.items.values()):
        missing = [part for part in item.parts if part.id not in held]
        if missing:
            names = ", ".join(f"{part.name} ({part.what})" for part in missing)
            tell(f"{item.name} of uid {item.owner} is lost: {names} did not come back")
            table.append(Gone(item.name))


def _let_orphans_go(kept: Kept, table: Table, held: Held, tell: Tell) -> None:
    """Give up what no item names; each was used once by being added."""
    orphans = [identity for identity in kept.descriptors if not table.state.users(identity)]
    if orphans:
        tell(f"{len(orphans)} descriptors belong to no item, and are closed")
    for identity in kept.descriptors:
        held.release(identity)
