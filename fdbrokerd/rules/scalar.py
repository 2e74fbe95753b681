# SPDX-License-Identifier: MIT
"""One text to one value, by the type that its key has."""

import re
from functools import singledispatch

from fdbrokerd.accounts import MAX_ID, group_id, user_id
from fdbrokerd.model.key import (
    OWN,
    Account,
    Duration,
    Flag,
    Ids,
    KeyType,
    Mode,
    Names,
    Own,
    PerTime,
    Size,
    Span,
    Text,
    Whole,
    Word,
)
from fdbrokerd.model.peer import UNMAPPED_ID
from fdbrokerd.model.rule import Rate
from fdbrokerd.rules.document import Scalar
from fdbrokerd.rules.mistakes import nearest, shown

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
RANGE = re.compile(rf"({_NUMBER.pattern})(?:-({_NUMBER.pattern}))?")
SIZE = re.compile(r"([1-9][0-9]{0,18})([KMG]?)")
RATE = re.compile(r"([1-9][0-9]{0,5})/(s|min|h|d)")
DURATION = re.compile(r"([1-9][0-9]{0,9})(s|min|h|d)")

_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}

_UNMAPPED = f"{UNMAPPED_ID} is what the kernel shows for ids that it cannot map"


class Unfit(Exception):
    """The text is not of the type; the reader says where."""


@singledispatch
def value(kind: KeyType, scalar: Scalar) -> object:
    """Return what a scalar means as a value of this type. Raises Unfit.

    What one text becomes: of Ids one range, of Names one id.
    """
    raise AssertionError(f"{kind} takes no single value: {scalar}")


@value.register
def _text(_: Text, scalar: Scalar) -> str:
    return scalar.text


@value.register
def _word(kind: Word, scalar: Scalar) -> str:
    if scalar.text not in kind.words:
        known = ", ".join(kind.words)
        raise Unfit(f"{shown(scalar.text)} is not one of {known}{nearest(scalar.text, kind.words)}")
    return scalar.text


@value.register
def _whole(kind: Whole, scalar: Scalar) -> int:
    if not scalar.plain:
        raise Unfit("is a number: write it without quotes")
    if not _NUMBER.fullmatch(scalar.text):
        raise Unfit(f"{shown(scalar.text)} is not a decimal number")
    number = int(scalar.text)
    if not kind.low <= number <= kind.high:
        raise Unfit(f"{number} is not from {kind.low} to {kind.high}")
    return number


@value.register
def _flag(_: Flag, scalar: Scalar) -> bool:
    if not scalar.plain or scalar.text not in {"true", "false"}:
        raise Unfit("must be true or false, without quotes")
    return scalar.text == "true"


@value.register
def _mode(_: Mode, scalar: Scalar) -> int:
    if scalar.plain:
        raise Unfit(f'{shown(scalar.text)} must be in quotes, as in "0640": a mode is no number')
    if not re.fullmatch(r"[0-7]{4}", scalar.text):
        raise Unfit(f'{shown(scalar.text)} is not four octal digits, as in "0640"')
    if not scalar.text.startswith("0"):
        raise Unfit("set-user-id, set-group-id and sticky bits are not allowed: begin with 0")
    return int(scalar.text, 8)


@value.register
def _size(kind: Size, scalar: Scalar) -> int:
    found = SIZE.fullmatch(scalar.text)
    if not found:
        raise Unfit(f"{shown(scalar.text)} is not a size, as in 4096 or 64K (K, M, G)")
    size = int(found[1]) * _BYTES[found[2]]
    if size > kind.high:
        raise Unfit(f"{scalar.text} is more than {kind.high} bytes")
    return size


@value.register
def _duration(kind: Duration, scalar: Scalar) -> int:
    found = DURATION.fullmatch(scalar.text)
    if not found:
        raise Unfit(f"{shown(scalar.text)} is not a duration, as in 90s or 5min (s, min, h, d)")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > kind.high:
        raise Unfit(f"{scalar.text} is more than {kind.high // 86400}d")
    return seconds


@value.register
def _account(kind: Account, scalar: Scalar) -> int | Own:
    own = "${group}" if kind.group else "${user}"
    if scalar.text == own:
        return OWN
    if scalar.text.startswith("$"):
        raise Unfit(f"{shown(scalar.text)} is unknown; the peer's own is {own}")
    if _NUMBER.fullmatch(scalar.text):
        return _id(int(scalar.text))
    return _named(scalar.text, group=kind.group)


@value.register
def _ids(_: Ids, scalar: Scalar) -> tuple[int, int]:
    found = span(scalar.text)
    if found is None:
        raise Unfit(f"{shown(scalar.text)} is not a number or a range, as in 1000-59999")
    low, high = found
    if low == high:
        _id(low)
    if high > MAX_ID:
        raise Unfit(f"{high} is more than an id can be, {MAX_ID}")
    return low, high


@value.register
def _span(_: Span, scalar: Scalar) -> tuple[int, int]:
    found = span(scalar.text)
    if found is None:
        raise Unfit(f"{shown(scalar.text)} is not a range, as in 1-65535")
    return found


@value.register
def _names(kind: Names, scalar: Scalar) -> int:
    if _NUMBER.fullmatch(scalar.text):
        number_key = "gid" if kind.group else "uid"
        raise Unfit(f"takes names; a number belongs to {number_key}")
    if set(scalar.text) & set("*?["):
        # Not every name service can list its accounts, so a glob could miss some: fatal in a deny.
        raise Unfit(f"{shown(scalar.text)}: accounts are named exactly, without * ? [")
    return _named(scalar.text, group=kind.group)


@value.register
def _per_time(_: PerTime, scalar: Scalar) -> Rate:
    found = RATE.fullmatch(scalar.text)
    if not found:
        raise Unfit(f"{shown(scalar.text)} is not a rate, as in 30/min (s, min, h, d)")
    return Rate(int(found[1]), _SECONDS[found[2]])


def span(text: str) -> tuple[int, int] | None:
    """Return both ends of `A-B`, A twice for `A`, None for any other text."""
    found = RANGE.fullmatch(text)
    if not found:
        return None
    low, high = int(found[1]), int(found[2] or found[1])
    if low > high:
        raise Unfit(f"the range {text} ends before it begins")
    return low, high


def _named(name: str, *, group: bool) -> int:
    number = group_id(name) if group else user_id(name)
    if number is None:
        raise Unfit(f"there is no {'group' if group else 'user'} {shown(name)}")
    return _id(number)


def _id(number: int) -> int:
    if number == UNMAPPED_ID:
        raise Unfit(_UNMAPPED)
    if number > MAX_ID:
        raise Unfit(f"{number} is more than an id can be, {MAX_ID}")
    return number
