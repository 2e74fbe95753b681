# SPDX-License-Identifier: MIT
"""Two ends that are made together and handed over together, or each by itself.

Who asks for a name says by the argument `end` which of the two it wants; a rule's
`with: {end: read}` decides about that end alone. Without a name both go to the same peer: the other
end would be lost.

    ends  of named ones. once (the default): each end is handed over once and then no longer held
          here, so that each end sees the other go: end of file, EPIPE. shared: held until it is
          removed, for any number of peers; while the broker has both ends nobody sees that
"""

from fdbrokerd.errors import InvalidArgument
from fdbrokerd.model.argument import Argument, Choice
from fdbrokerd.model.key import Key, Values, Word
from fdbrokerd.model.resource import Request

ENDS = Key(Word(("once", "shared")), "how often each end of a named one can be had; once")


def end_argument(*ends: str) -> Argument:
    """Return the argument `end`."""
    return Argument(Choice(ends))


def once(values: Values) -> bool:
    """Tell what the key `ends` says."""
    return values.text("ends") != "shared"


def wanted_end(request: Request) -> frozenset[str] | None:
    """Return the end that was asked for, None for both."""
    end = request.arguments.get("end")
    return None if end is None else frozenset({end})


def refuse_lone_end(request: Request) -> None:
    """Raise InvalidArgument where one end is asked for of a pair without a name."""
    if "end" in request.arguments and "/" not in request.resource:
        raise InvalidArgument(
            argument="end", reason="goes with a name, RESOURCE/NAME: the other end would be lost"
        )
