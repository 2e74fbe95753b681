# SPDX-License-Identifier: MIT
"""The server: doors, who has come in, whose turn it is, new rules, and the end."""

import _socket
import asyncio
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import CLOCK_BOOTTIME, clock_gettime

from fdbrokerd.audit import AuditLog
from fdbrokerd.audit.record import HUNG_UP
from fdbrokerd.broker import Broker
from fdbrokerd.connection import Connection
from fdbrokerd.errors import Error, ReloadFailed
from fdbrokerd.exchange import Caller, Cancel, Reply
from fdbrokerd.judge import Own
from fdbrokerd.leases import Leases
from fdbrokerd.listening import harden
from fdbrokerd.messages import Call
from fdbrokerd.model.holding import Holding
from fdbrokerd.model.peer import Peer
from fdbrokerd.opener import Pool, Zygote
from fdbrokerd.peer import NoIdentity, credentials, identify, process_of
from fdbrokerd.repeated import Callers
from fdbrokerd.server.guests import Guests
from fdbrokerd.server.keeping import Keeping
from fdbrokerd.server.lease_book import LeaseBook
from fdbrokerd.server.lingering import Lingering
from fdbrokerd.server.listener import Listener
from fdbrokerd.server.loaded import Load, Loaded
from fdbrokerd.server.revival import Surroundings, revive
from fdbrokerd.server.rules import Rules
from fdbrokerd.server.standing import Standing
from fdbrokerd.server.turns import Turns
from fdbrokerd.systemd import Notifier

STOP_SECONDS = 5.0
"""For requests in hand, when the end has been asked for. An opener's deadline is 2."""

AUDIT_SECONDS = 0.005
"""So long records wait for others, to be written with one call of the system: nobody who reads them
notices, and of a flood it is most of their price. With `required` none waits."""


class Server:
    """Everything that runs on the loop. Owns its listeners, connections, log and children."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        loaded: Loaded,
        load: Load,
        log: AuditLog,
        zygote: Zygote,
        notifier: Notifier,
        keeping: Keeping,
    ) -> None:
        """Take over what was kept, with everything else; `keeping` says where it is kept."""
        self._loop = loop
        self._log = log
        self._notifier = notifier
        self._turns = Turns(loop.call_soon)
        self._guests = Guests()
        self._callers = Callers()
        self._lingering = Lingering(loop)
        self._listeners: list[Listener] = []
        self._pool = Pool(zygote, loop)
        self._leases = Leases(
            self._watch, loop.remove_reader, partial(clock_gettime, CLOCK_BOOTTIME)
        )
        keeper = keeping.keeper(notifier.socket, loop.add_writer, loop.remove_writer)
        around = Surroundings(
            keeper, self._pool.dismiss, self._watch, loop.remove_reader, self._holding, notifier.say
        )
        self._store = revive(keeping.kept, around)
        if keeper.durable:
            book = self._leases.book = LeaseBook(self._store.table)
            book.restore(self._leases)
        self._broker = Broker(loaded.in_force, self._leases, log, self._pool, self, self._store)
        self._standing = Standing(
            self._broker, self._leases, self._store, log, durable=keeper.durable
        )
        self._rules = Rules(loaded.settings, load, log, self._broker, self._standing, notifier)
        self._zygote = zygote
        self._watch(zygote.fileno(), self._on_zygote_end)
        self._childless = False
        self._stop: asyncio.Event | None = None
        self._empty = asyncio.Event()

    def _watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        self._loop.add_reader(descriptor, callback)

    def _holding(self, resource: str) -> Holding | None:
        found = self._broker.in_force.ruleset.resources.get(resource)
        return None if found is None else found.holding

    def listen(self, listening: socket.socket, scope: tuple[str, ...] | None) -> None:
        """Serve a listening socket, owned from here on, once `run` has begun. `scope` None: all."""
        self._listeners.append(
            Listener(listening, scope, self._loop, self._accepted, self._turned_away)
        )

    def serve(self, connected: socket.socket) -> None:
        """Serve a socket that was inherited connected. Raises NoIdentity."""
        connected.setblocking(False)
        harden(connected)
        self._welcome(connected, None, check_writer=False)

    def _accepted(self, connected: _socket.socket, listener: Listener) -> None:
        """Let a peer in, unless nobody knows who it is or too many are here."""
        try:
            connection = self._welcome(connected, listener.scope, check_writer=True)
        except (NoIdentity, Guests.Full) as error:
            self._record_hang_up(error.peer if isinstance(error, Guests.Full) else None, str(error))
            connected.close()
        else:
            connection.on_readable()  # who has connected has nearly always asked by now

    def _turned_away(self, connected: _socket.socket, reason: str) -> None:
        """Record who could not be let in; the connection is closed by who accepted it."""
        peer = None
        with suppress(NoIdentity):
            pid, uid, gid = credentials(connected)
            peer = Peer(pid, uid, gid, frozenset((gid,)))
        self._record_hang_up(peer, reason)

    def _welcome(
        self, connected: _socket.socket, scope: tuple[str, ...] | None, *, check_writer: bool
    ) -> Connection:
        limits = self._rules.settings.limits
        # First of all: who is one too many must cost nothing more.
        ids = credentials(connected)
        self._guests.check(ids, limits)
        peer = identify(connected, ids, with_facts=self._broker.in_force.uses_facts)
        caller = Caller(peer, partial(process_of, connected, peer), scope)
        calls = self._callers.calls_of(caller)
        connection = Connection(
            connected, caller, self, self._loop, limits, calls, check_writer=check_writer
        )
        self._guests.add(connection)
        return connection

    # What a connection asks of its owner.

    def ready(self, connection: Connection) -> None:
        """Give a connection its turn."""
        self._turns.add(connection)

    def is_next(self, connection: Connection) -> bool:
        """Tell whether a connection may have its turn at once."""
        return self._turns.is_next(connection)

    def answer(self, caller: Caller, call: Call, reply: Reply) -> Cancel | None:
        """Have a call answered."""
        return self._broker.answer(caller, call, reply)

    def broken(self, connection: Connection) -> None:
        """Tell the journal of a mistake of ours; the peer is hung up on, all others are served."""
        traceback.print_exc()
        self.hung_up(connection.caller, "a fault of the broker: its journal has a traceback")
        connection.close()

    def hung_up(self, caller: Caller, reason: str) -> None:
        """Record that a peer broke the protocol."""
        self._record_hang_up(caller.peer, reason)

    def _record_hang_up(self, peer: Peer | None, reason: str) -> None:
        record = self._broker.recorder.begin(peer)
        record.outcome, record.detail = HUNG_UP, reason
        self._broker.recorder.write(record)

    def lingers(self, caller: Caller, connected: socket.socket) -> None:
        """Count what is left of a connection as its user's."""
        uid = caller.peer.uid
        self._guests.linger(uid)
        self._lingering.add(connected, partial(self._guests.go, uid))

    def closed(self, connection: Connection) -> None:
        """Forget a connection, and what it did not commit."""
        self._broker.ended(connection.caller)
        self._turns.forget(connection)
        self._guests.remove(connection)
        if not self._guests:
            self._empty.set()
            if not self._listeners and self._stop is not None:
                self._stop.set()

    # What the broker asks of its host.

    def status(self) -> Mapping[str, object]:
        """Return what io.fdbroker.Manager.Status says, with everything recorded by then written."""
        self._log.flush()
        return self._standing.status(self._addresses, self._guests.places)

    @property
    def _addresses(self) -> list[str]:
        return [listener.address for listener in self._listeners]

    def reload(self) -> None:
        """Put what the files say now in force, all of it or nothing. Raises ReloadFailed."""
        self._rules.reload(self._addresses)

    def write_soon(self) -> None:
        """Have the records that wait written together."""
        self._loop.call_later(AUDIT_SECONDS, self._log.flush)

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], object]:
        """Call something in so many seconds; return what ends that."""
        return self._loop.call_later(seconds, callback).cancel

    def clock(self) -> float:
        """Return the time since the boot, in seconds."""
        return clock_gettime(CLOCK_BOOTTIME)

    def own(self) -> Own:
        """Return by what the broker's own sockets are known."""
        return Own(os.getpid(), frozenset(self._addresses))

    # Beginning and end.

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, or without listeners until the inherited connections have ended.

        Every signal has its handler by now: systemd 262 kills a service that would die of the
        SIGHUP by which it will be told to reload.
        """
        self._stop = stop
        if not self._listeners and not self._guests:
            return  # they have ended before we began
        for listener in self._listeners:
            listener.start()
        self._notifier.ready(self._standing.summary(self._addresses))
        self._pat()
        await stop.wait()
        self._notifier.stopping()
        await self._finish()
        if self._childless:
            raise Error("the process that makes the others has ended, so this one has, too")

    def _on_zygote_end(self) -> None:
        """End, and be started again: without children half of the work cannot be done."""
        self._loop.remove_reader(self._zygote.fileno())
        self._childless = True
        self._pool.childless()
        if self._stop is not None:
            self._stop.set()

    def _pat(self) -> None:
        """Tell the watchdog that the loop turns, at half its interval."""
        if self._notifier.watchdog_seconds is not None:
            self._notifier.watchdog()
            self._loop.call_later(self._notifier.watchdog_seconds / 2, self._pat)

    def on_hangup(self) -> None:
        """Reload. The first mistake is in the status: a signal has nobody to answer to."""
        with suppress(ReloadFailed):
            self.reload()

    async def _finish(self) -> None:
        """Answer what was asked, within a time; then nobody is left."""
        for listener in self._listeners:
            listener.stop()
        self._empty.clear()
        for connection in self._guests.everyone():
            connection.finish()
        if self._guests:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), STOP_SECONDS)

    def close(self) -> None:
        """Close everything."""
        for connection in self._guests.everyone():
            connection.close()
        for listener in self._listeners:
            listener.close()
        self._lingering.close()
        self._store.close()
        self._loop.remove_reader(self._zygote.fileno())
        self._pool.close()
        self._leases.close()
        self._log.close()
        self._notifier.close()
