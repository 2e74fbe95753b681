# SPDX-License-Identifier: MIT
"""`--as user=alice,group=adm+video,unit=x.service`: a peer that is made up, on a command line.

The keys are those of a test's `as`. Names are resolved here, so that the broker is asked with
numbers only: it does not wait for a name service on the way.
"""

import re

from fdbrokerd.errors import ConfigurationError, UsageError
from fdbrokerd.model.key import KeyRefused, Many
from fdbrokerd.model.resource import Place
from fdbrokerd.rules.document import Mapping, Node, Scalar, Sequence
from fdbrokerd.rules.mistakes import nearest, shown
from fdbrokerd.rules.pretended import PRETENDED_KEYS, Pretence, pretend
from fdbrokerd.rules.reader import read

_NOWHERE = Place("--as", 1, 1)

_COMMA = re.compile(rf",(?=(?:{'|'.join(PRETENDED_KEYS)})=)")
"""One before a key. Labels hold others."""


def pretence(text: str) -> Pretence:
    """Return the peer that the option's value describes. Raises UsageError."""
    try:
        return pretend(read(_node(text), PRETENDED_KEYS).values)
    except (ConfigurationError, KeyRefused) as error:
        message = error.message if isinstance(error, ConfigurationError) else str(error)
        raise UsageError(f"--as: {message}") from error


def _node(text: str) -> Node:
    """Return the words as a file would have them, to be read by the same table of keys."""
    given: dict[str, list[str]] = {}
    for word in _COMMA.split(text):
        key, separator, value = word.partition("=")
        if key not in PRETENDED_KEYS or not separator:
            hint = nearest(key, PRETENDED_KEYS)
            raise UsageError(f"--as: not of the form KEY=VALUE: {shown(word)}{hint}")
        many = isinstance(PRETENDED_KEYS[key].type, Many)
        if key in given and not many:
            raise UsageError(f"--as: {key} is given twice")
        given.setdefault(key, []).extend(value.split("+") if many else [value])
    entries = []
    for key, values in given.items():
        scalars = tuple(Scalar(value, plain=True, place=_NOWHERE) for value in values)
        value_node = Sequence(scalars, _NOWHERE) if len(scalars) > 1 else scalars[0]
        entries.append((Scalar(key, plain=True, place=_NOWHERE), value_node))
    return Mapping(tuple(entries), _NOWHERE)
