# SPDX-License-Identifier: MIT
"""The server: doors, who has come in, whose turn it is, new rules, and the end."""

import asyncio
import os
import socket
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from time import CLOCK_BOOTTIME, CLOCK_REALTIME, clock_gettime, clock_gettime_ns

from fdbrokerd.audit import AuditLog
from fdbrokerd.audit.record import HUNG_UP
from fdbrokerd.broker import Broker
from fdbrokerd.channel import harden
from fdbrokerd.connection import Connection
from fdbrokerd.determinable import undeterminable
from fdbrokerd.errors import ConfigurationError, ReloadFailed
from fdbrokerd.exchange import Caller, Patience, Reply
from fdbrokerd.leases import Leases
from fdbrokerd.messages import Call
from fdbrokerd.model.peer import Peer
from fdbrokerd.opener import Pool, Zygote
from fdbrokerd.peer import NoIdentity, credentials, identify, process_of
from fdbrokerd.server.guests import Guests
from fdbrokerd.server.listener import Listener
from fdbrokerd.server.loaded import Load, Loaded
from fdbrokerd.server.turns import Turns
from fdbrokerd.systemd import Notifier
from fdbrokerd.version import __version__

STOP_SECONDS = 5.0
"""For requests in hand, when the end has been asked for. An opener's deadline is 2."""


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
    ) -> None:
        self._loop = loop
        self._load = load
        self._log = log
        self._notifier = notifier
        self._started_usec = self._loaded_usec = _now_usec()
        self._generation = 1
        self._undeterminable = undeterminable()
        self._problem: str | None = None
        self._settings = loaded.settings
        self._turns = Turns(loop.call_soon)
        self._guests = Guests()
        self._listeners: list[Listener] = []
        self._pool = Pool(zygote, loop)
        self._leases = Leases(
            self._watch, loop.remove_reader, partial(clock_gettime, CLOCK_BOOTTIME)
        )
        self._broker = Broker(loaded.in_force, self._leases, log, self._pool, self)
        self._stop: asyncio.Event | None = None
        self._empty = asyncio.Event()

    def _watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        self._loop.add_reader(descriptor, callback)

    def listen(self, listening: socket.socket, scope: tuple[str, ...] | None) -> None:
        """Serve a listening socket, owned from here on, once `run` has begun. `scope` None: all."""
        self._listeners.append(Listener(listening, scope, self._loop, self._accepted))

    def serve(self, connected: socket.socket) -> None:
        """Serve a socket that was inherited connected. Raises NoIdentity."""
        connected.setblocking(False)
        harden(connected)
        self._welcome(connected, None, check_writer=False)

    def _accepted(self, connected: socket.socket, listener: Listener) -> None:
        """Let a peer in, unless nobody knows who it is or too many are here."""
        try:
            self._welcome(connected, listener.scope, check_writer=True)
        except (NoIdentity, Guests.Full) as error:
            self._record_hang_up(error.peer if isinstance(error, Guests.Full) else None, str(error))
            connected.close()

    def _welcome(
        self, connected: socket.socket, scope: tuple[str, ...] | None, *, check_writer: bool
    ) -> None:
        limits = self._settings.limits
        # First of all: who is one too many must cost nothing more.
        pid, uid, gid = credentials(connected)
        self._guests.check(Peer(pid, uid, gid, frozenset((gid,))), limits)
        peer = identify(connected, with_facts=self._broker.in_force.uses_facts)
        caller = Caller(peer, partial(process_of, connected, peer), scope)
        patience = Patience(limits.message_seconds, limits.reply_seconds)
        connection = Connection(
            connected, caller, self, self._loop, patience, check_writer=check_writer
        )
        self._guests.add(connection)

    # What a connection asks of its owner.

    def ready(self, connection: Connection) -> None:
        """Give a connection its turn."""
        self._turns.add(connection)

    def answer(self, caller: Caller, call: Call, reply: Reply) -> None:
        """Have a call answered."""
        self._broker.answer(caller, call, reply)

    def broken(self, connection: Connection) -> None:
        """Tell the journal of a mistake of ours; the peer is hung up on, all others are served."""
        traceback.print_exc()
        self.hung_up(connection.caller, "a fault of the broker: its journal has a traceback")
        connection.close()

    def hung_up(self, caller: Caller, reason: str) -> None:
        """Record that a peer broke the protocol."""
        self._record_hang_up(caller.peer, reason)

    def _record_hang_up(self, peer: Peer | None, reason: str) -> None:
        record = self._broker.new_record(peer)
        record.outcome, record.detail = HUNG_UP, reason
        self._broker.hung_up(record)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._guests.remove(connection)
        if not self._guests:
            self._empty.set()
            if not self._listeners and self._stop is not None:
                self._stop.set()

    # What the broker asks of its host.

    def status(self) -> Mapping[str, object]:
        """Return what io.fdbroker.Manager.Status says."""
        ruleset = self._broker.in_force.ruleset
        return {
            "version": __version__,
            "pid": os.getpid(),
            "startedUSec": self._started_usec,
            "listeners": [listener.address for listener in self._listeners],
            "ruleset": {
                "generation": self._generation,
                "loadedUSec": self._loaded_usec,
                "files": ruleset.files,
                "resources": len(ruleset.resources),
                "rules": len(ruleset.rules),
            }
            | ({"problem": self._problem} if self._problem else {}),
            "connections": len(self._guests),
            "requests": self._broker.requests,
            "descriptors": self._broker.descriptors,
            "leases": len(self._leases),
            "auditLost": self._log.lost,
            "undeterminable": self._undeterminable,
        }

    def reload(self) -> None:
        """Put what the files say now in force, all of it or nothing. Raises ReloadFailed."""
        self._notifier.reloading()
        try:
            self._adopt(self._load())
            self._problem = None
        except (ConfigurationError, OSError) as error:
            self._problem = str(error)
            raise ReloadFailed.of(error) from error
        finally:
            self._notifier.ready(self._summary())

    def _adopt(self, loaded: Loaded) -> None:
        """Put what was read in force; what can fail comes first."""
        if loaded.settings.listen != self._settings.listen:
            raise ConfigurationError("`listen` has changed, and that needs a restart")
        audit = loaded.settings.audit
        self._log.reopen(journal=audit.journal, file=audit.file, required=audit.required)
        self._broker.in_force = loaded.in_force
        self._settings = loaded.settings
        self._generation += 1
        self._loaded_usec = _now_usec()

    def write_soon(self) -> None:
        """Have the records that wait written at the end of the loop's turn."""
        self._loop.call_soon(self._log.flush)

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
        self._notifier.ready(self._summary())
        self._pat()
        await stop.wait()
        self._notifier.stopping()
        await self._finish()

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

    def _summary(self) -> str:
        ruleset = self._broker.in_force.ruleset
        counts = f"{len(ruleset.resources)} resources, {len(ruleset.rules)} rules"
        if self._problem:
            return f"Reload failed, older rules in force ({counts}): {self._problem}"
        return f"Serving {counts} at {', '.join(one.address for one in self._listeners)}"

    def close(self) -> None:
        """Close everything."""
        for connection in self._guests.everyone():
            connection.close()
        for listener in self._listeners:
            listener.close()
        self._pool.close()
        self._leases.close()
        self._log.close()
        self._notifier.close()


def _now_usec() -> int:
    return clock_gettime_ns(CLOCK_REALTIME) // 1000
