# SPDX-License-Identifier: MIT
"""One peer's stream: bytes in, one call at a time, answers out in order.

    on_readable   receive, check who wrote it, frame
    turn          decode one message and have it answered (called when it is this uid's turn)
    _reply        send, by `outgoing`

While a reply waits, for a child or for the peer to read, nothing more is read. Whatever breaks the
protocol ends in `_hang_up`, with a record; a peer that leaves ends in `close`, without.
"""

import _socket
import asyncio
import socket
from functools import partial

from fdbrokerd.deadline import Deadline
from fdbrokerd.errors import ProtocolError
from fdbrokerd.exchange import Answer, Caller, Cancel
from fdbrokerd.listening import Writer, has_gone, receive_call, uid_of
from fdbrokerd.model.settings import Limits
from fdbrokerd.outgoing import Outgoing
from fdbrokerd.owner import Owner
from fdbrokerd.repeated import Repeated
from fdbrokerd.wire import Decoder

MAX_CALLS_WAITING = 64
"""Calls that a peer may send before it reads an answer; more stay in the socket, where they are the
peer's own memory."""


GONE_SECONDS = 2.0
"""A peer that waits, and of which nothing more is read, is looked for so often: it has shut down
its sending half or sent too much, and the loop would not tell of its end."""


class Connection:
    """A connected socket, owned here, and the state of its stream."""

    __slots__ = (
        "_busy",
        "_calls",
        "_cancel",
        "_check_writer",
        "_continues",
        "_deadline",
        "_decoder",
        "_ending",
        "_limits",
        "_lookout",
        "_loop",
        "_outgoing",
        "_owner",
        "_reading",
        "_socket",
        "_violation",
        "_writer",
        "caller",
        "is_closed",
    )

    def __init__(
        self,
        connected: _socket.socket,
        caller: Caller,
        owner: Owner["Connection"],
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        calls: Repeated,
        *,
        check_writer: bool,
    ) -> None:
        self.caller = caller
        self._socket = connected
        self._owner = owner
        self._loop = loop
        self._limits = limits
        self._check_writer = check_writer
        self._decoder = Decoder()
        self._busy = False
        self._calls = calls
        self._cancel: Cancel | None = None
        self._continues = False
        self._outgoing = Outgoing(connected, loop, limits.reply_seconds, self)
        self._deadline: Deadline | None = None
        self._lookout: asyncio.TimerHandle | None = None
        self._ending = False
        self._violation = ""
        self._reading = False
        self._writer: Writer | None = None
        """The last one that was found to be the peer itself."""
        self.is_closed = False
        self._read(on=True)

    def _read(self, *, on: bool) -> None:
        """Have the loop tell us of bytes, or not."""
        if on is self._reading:
            return
        self._reading = on
        if on:
            self._loop.add_reader(self._socket, self.on_readable)
        else:
            self._loop.remove_reader(self._socket)

    def on_readable(self) -> None:
        """Receive once; further bytes bring us back here."""
        try:
            data, writer = receive_call(self._socket)
        except BlockingIOError:
            return
        except ProtocolError as error:
            self._end_by(str(error))
            return
        except OSError:
            self.close()
            return
        if not data:
            self._at_end()
        elif writer == self._writer or self._is_own(writer):
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Answer what has come at once, where nobody else waits; else keep it for our turn."""
        if not (self._busy or self._outgoing.busy):
            only = self._decoder.only(data)
            if only is not None and self._owner.is_next(self):
                self._call(only)
                return
        waiting = self._decoder.waiting
        try:
            self._decoder.feed(data, [])
        except ProtocolError as error:
            self._end_by(str(error))
            return
        if self._decoder.waiting > waiting:
            self._clear_deadline()  # what has begun now is another message
            self._owner.ready(self)
        if self._has_enough:
            self._read(on=False)
            self._watch_peer()
        self._watch_message()

    def _is_own(self, writer: Writer) -> bool:
        """Tell whether the peer itself has written, or hang up.

        Passed on, inherited across a change of uid, or a setuid program: then whoever writes is not
        who connected.
        """
        uid = uid_of(writer)
        if self._check_writer and uid != self.caller.peer.uid:
            self._hang_up(f"written by uid {uid}")
            return False
        self._writer = writer
        return True

    @property
    def _has_enough(self) -> bool:
        """Tell whether so many calls wait, or so many bytes of them, that no more are read."""
        return self._decoder.waiting > MAX_CALLS_WAITING or self._decoder.full

    def _at_end(self) -> None:
        """Go when all that was asked is answered: a peer may shut down its sending half first."""
        if self._decoder.partial:
            self._end_by("the stream ends within a message")
        elif self._cancel is not None and has_gone(self._socket):
            self.close()  # nobody waits any more for what was long in coming
        elif self._busy or self._outgoing.busy or self._decoder.waiting:
            self._read(on=False)
            self._ending = True
            self._watch_peer()
        else:
            self.close()

    def _end_by(self, violation: str) -> None:
        """Hang up, once what was asked before is answered: each of these calls was whole."""
        self._read(on=False)
        self._clear_deadline()
        self._violation = violation
        self._ending = True
        if self._decoder.waiting:
            self._owner.ready(self)
        elif not (self._busy or self._outgoing.busy) or self._cancel is not None:
            self.close()

    def _watch_peer(self) -> None:
        """Look for the end of a peer that waits and is not read from."""
        if self._cancel is not None and self._lookout is None and not self._reading:
            self._lookout = self._loop.call_later(GONE_SECONDS, self._look)

    def _look(self) -> None:
        self._lookout = None
        if self._cancel is not None and has_gone(self._socket):
            self.close()
        else:
            self._watch_peer()

    def turn(self) -> None:
        """Answer one call, if one waits and its predecessor is answered."""
        if self._busy or self._outgoing.busy or self.is_closed:
            return
        message = self._decoder.next()
        if message is not None:
            self._call(message.data)

    def _call(self, message: bytes) -> None:
        """Answer one call, now or later."""
        try:
            call = self._calls.read(message)
        except ProtocolError as error:
            self._hang_up(str(error))
            return
        self._busy = True
        cancel = None
        try:
            reply = self._silence if call.oneway else self._reply
            cancel = self._owner.answer(self.caller, call, reply)
        except Exception:  # noqa: BLE001 (the only one: a mistake of ours must not stop the others)
            self._owner.broken(self)
        if not self._busy and cancel is None:
            return
        if self._busy and not self.is_closed and self._violation and cancel is not None:
            self._cancel = cancel
            self.close()  # nobody who broke the protocol waits for what may never come
        elif self._busy and not self.is_closed:
            # What waits for something is read from all the same, to see its peer go.
            self._cancel = cancel
            self._read(on=cancel is not None and not self._ending and not self._has_enough)
            self._watch_peer()
            self._watch_message()
        elif cancel is not None:
            cancel()

    def _silence(self, answer: Answer) -> None:
        """Answer nothing, as a call that says `oneway` wants it; then nothing is handed over."""
        self._cancel = None
        answer.delivered("the call wanted no answer" if answer.descriptors else "")
        self.sent()

    def _reply(self, answer: Answer) -> None:
        """Send an answer; `sent`, `gone` or `stuck` follows."""
        if self.is_closed:
            answer.delivered("the peer is gone")
            return
        self._continues = answer.continues
        if not answer.continues:
            self._cancel = None
        self._outgoing.send(answer)
        if self._outgoing.busy:
            self._read(on=False)
            self._clear_deadline()

    def gone(self) -> None:
        """Close: the peer is no more."""
        self.close()

    def stuck(self) -> None:
        """Hang up: the peer does not read."""
        self._hang_up("a reply stays unread")

    def sent(self) -> None:
        """Go on with what waits, or with reading, or go: an answer has left."""
        self._busy = self._continues
        if self._reading and self._deadline is None and not self._busy and self._decoder.idle:
            return  # nothing to go on with, as nearly always
        if self._busy:
            self._read(on=not self._ending and not self._has_enough)
            self._watch_peer()
            return
        if self._decoder.waiting:
            self._owner.ready(self)
        elif self._ending:
            self.close()
            return
        if not self._ending and not self._has_enough:
            self._read(on=True)
        self._watch_message()

    def finish(self) -> None:
        """Answer what has arrived, then close: the server stops."""
        if not self._ending:
            self.on_readable()  # also while a reply waits: what has arrived was asked in time
        if self.is_closed:
            return
        if self._cancel is not None:
            self.close()  # what it waits for may never come
            return
        self._ending = True
        self._read(on=False)
        if not (self._busy or self._outgoing.busy or self._decoder.waiting):
            self.close()

    def _watch_message(self) -> None:
        """Give a message that has begun its time; the answer's own time goes first.

        While nothing is read the peer is not the one who is slow.
        """
        if self._outgoing.busy:
            return
        if not (self._decoder.partial and self._reading):
            self._clear_deadline()
        elif self._deadline is None:
            reason = "half a message and then silence"
            self._deadline = Deadline(
                self._loop, self._limits.message_seconds, partial(self._hang_up, reason)
            )

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self, reason: str) -> None:
        self._violation = reason
        self.close()

    def close(self) -> None:
        """Close the socket; what was not sent is recorded as not delivered, a violation as such."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._violation:
            self._owner.hung_up(self.caller, self._violation)
        self._clear_deadline()
        if self._lookout is not None:
            self._lookout.cancel()
        self._read(on=False)
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
        self._outgoing.close()
        self._decoder.close()
        if not self._outgoing.has_unread:
            self._socket.close()
            self._owner.closed(self)
            return
        left = socket.socket(fileno=self._socket.detach())
        self._owner.closed(self)
        self._owner.lingers(self.caller, left)
