"""Columns of whole numbers and times as bytes that compress well, and back; what comes back is checked by the caller.

Times are microseconds before another time, as servers count them; any other float is kept bit for bit beside them.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence

from pgtop_conn.model.lazy_regex import later

#: Codes of a time: unknown, and the same as it was before. A later code is microseconds before the other time; what is
#: after it is negative, and the lowest numbers stand for a float of its own.
UNKNOWN, SAME = 0, 1
_FIRST = 2
_ODD = -(2**63)
_ODD_MOST = 2**32
#: Microseconds since the epoch beyond which a time is none of a server's.
_MOST_US = 2**60
_WIDTH = 8


class Damaged(Exception):
    """Bytes that are no recording of ours; caught at the border of this package."""


def packed(numbers: Sequence[int]) -> bytes:
    """Signed 64-bit numbers: all lowest bytes first, then the next ones; the highest are all alike."""
    column = array("q", numbers)
    if sys.byteorder == "big":
        column.byteswap()
    raw = column.tobytes()
    return b"".join([raw[place::_WIDTH] for place in range(_WIDTH)])


def unpacked(raw: bytes) -> list[int]:
    """What packed() was given. Raises Damaged."""
    count, rest = divmod(len(raw), _WIDTH)
    if rest:
        raise Damaged("numbers are cut off")
    if count > NUMBERS_MOST:
        raise Damaged("there are too many numbers")
    mixed = bytearray(len(raw))
    for place in range(_WIDTH):
        mixed[place::_WIDTH] = raw[place * count : (place + 1) * count]
    column = array("q")
    column.frombytes(mixed)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tolist()


def floats_packed(values: Sequence[float]) -> bytes:
    """Floats, bit for bit."""
    return struct.pack(f"<{len(values)}d", *values)


def floats_unpacked(raw: bytes) -> tuple[float, ...]:
    """What floats_packed() was given. Raises Damaged."""
    if len(raw) > NUMBERS_MOST * _WIDTH:
        raise Damaged("there are too many numbers")
    return struct.unpack(f"<{len(raw) // _WIDTH}d", raw)


def micros(value: float | None, otherwise: int = 0) -> int:
    """Microseconds of a time that others are told from; `otherwise` where it is none of a server's."""
    if value is None or not -_MOST_US < value * 1e6 < _MOST_US:
        return otherwise
    return round(value * 1e6)


def time_code(value: float | None, base_us: int, odd: list[float]) -> int:
    """A time as a number; one that is no whole number of microseconds is appended to `odd`."""
    if value is None:
        return UNKNOWN
    scaled = value * 1e6
    if -_MOST_US < scaled < _MOST_US:
        us = round(scaled)
        if us / 1e6 == value:
            before = base_us - us
            return before + _FIRST if before >= 0 else before
    odd.append(value)
    return _ODD + len(odd) - 1


def time_of(code: int, base_us: int, odd: Sequence[float]) -> float | None:
    """What time_code() was given; SAME is the caller's. Raises IndexError."""
    if code >= _FIRST:
        return (base_us - code + _FIRST) / 1e6
    if code == UNKNOWN:
        return None
    if code < _ODD + _ODD_MOST:
        return odd[code - _ODD]
    return (base_us - code) / 1e6


def signed(number: int) -> int:
    """A number of either sign as one that is small when it is near 0."""
    return number << 1 if number >= 0 else (-number << 1) - 1


def unsigned(code: int) -> int:
    """What signed() was given."""
    return code >> 1 if not code & 1 else -((code + 1) >> 1)


def gaps(ascending: Sequence[int]) -> list[int]:
    """Differences, the first one from -1."""
    return [later - earlier - 1 for earlier, later in zip((-1, *ascending), ascending, strict=False)]


#: Values of one JSON text, and numbers of one item: what either takes in memory is many times its bytes in a file.
VALUES_MOST = 1_000_000
NUMBERS_MOST = 2_000_000
_TEXTS = later(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def json_value(raw: bytes, most: int = VALUES_MOST) -> object:
    """What a JSON text says, if it has at most so many values. Raises Damaged, or ValueError for what is no JSON."""
    if _marks(raw) > most and _has_more(raw, most):
        raise Damaged("there are too many values")
    found: object = json.loads(raw)
    return found


def _marks(raw: bytes, begin: int = 0, end: int | None = None) -> int:
    """Characters that stand for a value each, or are in a text."""
    return raw.count(b",", begin, end) + raw.count(b"[", begin, end) + raw.count(b"{", begin, end)


def _has_more(raw: bytes, most: int) -> bool:
    """Whether there are more values, texts being one each whatever is in them."""
    found = at = 0
    for match in _TEXTS.finditer(raw):
        found += _marks(raw, at, match.start())
        at = match.end()
        if found > most:
            return True
    return found + _marks(raw, at) > most


class Columns:
    """Takes columns off a list of numbers, in the order in which they were put there."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self._next = 0

    def take(self, count: object) -> Sequence[int]:
        """The next `count` numbers. Raises Damaged where there are fewer."""
        if type(count) is not int or not 0 <= count <= len(self._numbers) - self._next:
            raise Damaged("numbers are missing")
        begin, self._next = self._next, self._next + count
        return self._numbers[begin : self._next]

    def ascending(self, count: object, below: int) -> list[int]:
        """The next `count` numbers as gaps() made them, each below `below`. Raises Damaged."""
        return list(_checked(self.take(count), below))


def _checked(differences: Sequence[int], below: int) -> Iterator[int]:
    position = -1
    for difference in differences:
        position += difference + 1
        if difference < 0 or position >= below:
            raise Damaged("a position is out of range")
        yield position
