# SPDX-License-Identifier: MIT
"""One call at a time, one reply to each: the protocol of the client's end, without input or output.

Rules of this file:

- A reply nobody waits for, two replies to one call, a reply of the wrong form: ProtocolError. The
  stream is of no more use then. Varlink has no ids: going on would give a reply to the next call.
- An error reply is an exception of `errors`, and the stream is as good as before.
"""

from __future__ import annotations

from fdbrokerd import errors
from fdbrokerd.client import jsontext
from fdbrokerd.client.fields import Fields
from fdbrokerd.errors import ProtocolError, Unreachable, UsageError
from fdbrokerd.fd import OwnedFd, close_all
from fdbrokerd.wire import END, Decoder, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""A list of all that the service holds at the most (4096 descriptors), a kilobyte each."""

_REPLY_KEYS = frozenset({"parameters", "continues", "error"})


class Reply:
    """The parameters of a reply, and the descriptors that came with it, owned here until taken.

    `continues` says that more replies to the same call are to come.
    """

    __slots__ = ("_descriptors", "continues", "fields")

    def __init__(
        self, parameters: object, descriptors: list[OwnedFd], *, continues: bool = False
    ) -> None:
        self._descriptors = descriptors
        self.continues = continues
        self.fields = Fields(parameters, "the reply")

    def take_descriptors(self) -> dict[str, OwnedFd]:
        """Return the announced descriptors by name, in the reply's order; the caller owns them.

        Raises DescriptorsMissing or ProtocolError; then all of them stay here, to be closed.
        """
        announced = [
            (_name(fields), fields.number("fileDescriptor"))
            for fields in self.fields.objects("descriptors")
        ]
        expected, received = len(announced), len(self._descriptors)
        if sorted(index for _, index in announced) != list(range(expected)):
            raise ProtocolError(
                "the reply: the indexes of its descriptors are not 0, 1, 2 and so on"
            )
        if len({name for name, _ in announced}) < expected:
            raise ProtocolError("the reply: two descriptors of one name")
        if received < expected:
            raise errors.DescriptorsMissing(expected=expected, received=received)
        self.refuse_surplus(expected)
        taken = {name: self._descriptors[index] for name, index in announced}
        self._descriptors = []
        return taken

    def take_descriptor(self) -> OwnedFd:
        """Return the one descriptor that the reply announces; the caller owns it.

        Raises DescriptorsMissing or ProtocolError; then it stays here, to be closed.
        """
        if self.fields.number("fileDescriptor") != 0:
            raise ProtocolError("the reply: the index of its one descriptor is not 0")
        if not self._descriptors:
            raise errors.DescriptorsMissing(expected=1, received=0)
        self.refuse_surplus(1)
        return self._descriptors.pop()

    def refuse_surplus(self, expected: int = 0) -> None:
        """Raise ProtocolError if more descriptors came than were announced."""
        if len(self._descriptors) > expected:
            raise ProtocolError(
                f"the reply came with {len(self._descriptors)} descriptors and announced {expected}"
            )

    def close(self) -> None:
        """Close the descriptors that nobody took."""
        close_all(self._descriptors)


def _name(fields: Fields) -> str:
    """Return a descriptor's name; a colon separates names in LISTEN_FDNAMES."""
    name = fields.text("name")
    if not name.isprintable() or ":" in name or not name:
        raise ProtocolError(f"the reply: not a descriptor's name: {name!r}")
    return name


class Conversation:
    """What is under way on one connection."""

    def __init__(self) -> None:
        self._decoder = Decoder(MAX_REPLY_BYTES)
        self._asked = False
        self._more = False

    def ask(self, method: str, parameters: Mapping[str, object], *, more: bool = False) -> bytes:
        """Return the bytes of a call; what is None in the parameters is left out.

        With `more` any number of replies may come, each but the last saying that it `continues`.
        """
        if self._asked:
            raise RuntimeError("a call is under way: one thread at a time")
        given = {name: value for name, value in parameters.items() if value is not None}
        call: dict[str, object] = {"method": method, "parameters": given}
        if more:
            call["more"] = True
        try:
            text = jsontext.encode(call).encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"not Unicode: {error.object!r}") from error
        self._asked, self._more = True, more
        return text + END

    def receive(self, data: bytes, descriptors: list[OwnedFd]) -> Reply | None:
        """Take what one receive brought, and return the reply once it is whole.

        Owns the descriptors from here on; the caller owns the reply. No data are the end of the
        stream. Raises CallError for an error reply, Unreachable at the end, ProtocolError.
        """
        if not data:
            close_all(descriptors)
            raise self._hung_up()
        self._decoder.feed(data, descriptors)
        if not self._asked:
            raise ProtocolError("the broker answered what was not asked")
        return self.next()

    def next(self) -> Reply | None:
        """Return the next whole reply of what was received, as `receive` does, if there is one."""
        message = self._decoder.next()
        if message is None:
            return None
        if not self._asked or (not self._more and self._surplus):
            message.close()
            raise ProtocolError("the broker gave more than one reply to one call")
        self._asked = False
        reply = _reply(message)
        self._asked = reply.continues
        if reply.continues and not self._more:
            reply.close()
            raise ProtocolError("the broker goes on where one reply was asked for")
        if not reply.continues and self._surplus:
            reply.close()
            raise ProtocolError("the broker goes on where it said that it would not")
        return reply

    @property
    def _surplus(self) -> bool:
        """Tell whether more was received than the message that was taken last."""
        return bool(self._decoder.waiting) or self._decoder.partial

    def _hung_up(self) -> Unreachable | ProtocolError:
        if self._decoder.partial:
            return ProtocolError("the broker hung up in the middle of a reply")
        return Unreachable("the broker hung up" + ("" if self._more else " without an answer"))

    def close(self) -> None:
        """Close every descriptor that nobody took."""
        self._decoder.close()


def _reply(message: Message) -> Reply:
    try:
        value = _parse(message.data)
        if not value.has("error"):
            continues = value.has("continues") and value.flag("continues")
            return Reply(_parameters(value), message.descriptors, continues=continues)
    except BaseException:
        message.close()
        raise
    message.close()
    if message.descriptors:
        raise ProtocolError("the broker attached descriptors to an error")
    from fdbrokerd.client.refusal import refusal  # noqa: PLC0415 (most calls succeed)

    raise refusal(value.text("error"), Fields(_parameters(value), "the error reply"))


def _parse(data: bytes) -> Fields:
    try:
        value = Fields(jsontext.decode(data.decode()), "the reply")
    except (ValueError, RecursionError) as error:
        raise ProtocolError("the reply is not JSON") from error
    if not value.values.keys() <= _REPLY_KEYS:
        raise ProtocolError("the reply is not a Varlink reply")
    return value


def _parameters(value: Fields) -> object:
    """Return the parameters; absent or null they are empty."""
    return value.values["parameters"] if value.has("parameters") else {}
