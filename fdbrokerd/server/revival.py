# SPDX-License-Identifier: MIT
"""The store as it was before the daemon ended: the table, and the descriptors that it names.

a descriptor that no item names   an interrupted Put, or a removal: closed, and told
an item that lacks a descriptor   cannot be had any more: removed, and told
no table that can be read         all descriptors stay, as items that nobody can ask for, until
                                  somebody decides
a table of a newer fdbrokerd      none of this: we end, and the manager goes on keeping it all
"""

from collections.abc import Callable

from msgspec import Struct

from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.judge import bucket, order, same_file
from fdbrokerd.model.holding import Holding
from fdbrokerd.server.kept import NAMELESS, TABLE_NAMES, Kept
from fdbrokerd.store.alarm import Alarm, now_ns
from fdbrokerd.store.hangups import Hangups
from fdbrokerd.store.held import Dismiss, Held, Keeper, name_of
from fdbrokerd.store.item import Item, Part
from fdbrokerd.store.log import NewerTable, TableLost
from fdbrokerd.store.records import Gone, Put
from fdbrokerd.store.store import Store
from fdbrokerd.store.table import Table

NOBODYS = "?"
"""Where items are that lost their names. No resource can be called so: no rule allows them."""

Watch = Callable[[int, Callable[[], None]], None]
Unwatch = Callable[[int], object]
Tell = Callable[[str], None]


class Surroundings(Struct, frozen=True):
    """What the store stands on: who keeps copies, who closes, the loop, the rules, the journal."""

    keeper: Keeper
    dismiss: Dismiss
    watch: Watch
    unwatch: Unwatch
    holding_of: Callable[[str], Holding | None]
    tell: Tell


def revive(kept: Kept, around: Surroundings) -> Store:
    """Return the store that was kept, or an empty one; owns what was kept from here on.

    Raises OSError, NewerTable.
    """
    hangups = Hangups(around.watch, around.unwatch)
    held = Held(around.keeper, around.dismiss, same_file, bucket, hangups.forget, order)
    table = _table(kept, around)
    for identity, descriptor in list(kept.descriptors.items()):
        table.state.pass_over(identity)
        try:
            held.add(identity, descriptor, kept=around.keeper.durable)
        except OSError as error:  # nothing is known of it any more; the others are
            around.tell(f"a descriptor came back that cannot be looked at: {error.strerror}")
            kept.strays.append(kept.descriptors.pop(identity))
            around.keeper.drop(name_of(identity))
    if kept.strays:
        around.tell(f"{len(kept.strays)} descriptors came back without a name, and are closed")
        around.keeper.drop(NAMELESS)
        around.dismiss(kept.strays)
    _lose_incomplete(table, held, around.tell)
    for item in table.state.items.values():
        for part in item.parts:
            held.use(part.id)
    _let_orphans_go(kept, table, held, around.tell)
    alarm = Alarm(around.watch, around.unwatch)
    return Store(table, held, hangups, alarm, around.holding_of, around.keeper.room)


def _table(kept: Kept, around: Surroundings) -> Table:
    """Return the table, or a new one, in which what is there has names that nobody can ask for."""
    if not around.keeper.durable:
        close_all(kept.tables.values())
        return Table.in_memory()
    memories = list(kept.tables.values())
    if not memories:
        if kept.descriptors:
            around.tell(_lost(kept, "came back without the table of their names"))
        return _new_table(kept, around)
    try:
        table = Table.load(*memories)
    except NewerTable:
        raise  # the manager keeps it for the one that can read it
    except TableLost as error:
        around.tell(_lost(kept, str(error)))
        for name in TABLE_NAMES:
            around.keeper.drop(name)
        return _new_table(kept, around)
    if table.cut_bytes:
        around.tell(f"{table.cut_bytes} bytes of an unfinished record were cut off the table")
    for name, memory in zip(sorted({*TABLE_NAMES} - {*kept.tables}), table.fresh, strict=True):
        _keep(name, memory, around)
    return table


def _new_table(kept: Kept, around: Surroundings) -> Table:
    """Return a table of what is there, which has no names.

    It is whole before the manager has it: by an empty one the next start would take all of that for
    orphans.
    """
    table = Table.create()
    for identity in kept.descriptors:
        part = Part("fd", identity, "unknown", "of a table that was lost")
        name = f"{NOBODYS}/{name_of(identity)}"
        table.append(Put(Item(name, 0, now_ns(), None, {}, (part,), "")))
    for name, memory in zip(TABLE_NAMES, table.descriptors, strict=True):
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
