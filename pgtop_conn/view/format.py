"""Numbers as text for narrow columns: durations, shares, bars, instants. No clock, no width of other people's text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from unicodedata import category, east_asian_width

from pgtop_conn.model.instants import calendar, endless

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_MOST_DAYS = 99_999


def duration(seconds: float | None) -> str:
    """At most 6 characters, rounded down so that nothing looks older than it is; '' for None.

    >>> [duration(seconds) for seconds in (0.34, 12.9, 245, 11_520, 187_200, 40_000_000, None)]
    ['0.3s', '12s', '4m05', '3h12m', '2d04h', '462d', '']
    """
    if seconds is None or isnan(seconds):
        return ""
    if seconds < 1:
        return f"0.{int(max(0.0, seconds) * 10)}s"
    whole = int(min(seconds, _MOST_DAYS * _DAY_S))
    if whole < _MINUTE_S:
        return f"{whole}s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}m{whole % _MINUTE_S:02}"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S}h{whole % _HOUR_S // _MINUTE_S:02}m"
    days = whole // _DAY_S
    return f"{days}d{whole % _DAY_S // _HOUR_S:02}h" if days < 100 else f"{days}d"


#: Our own characters, one cell for one cell.
_PLAIN = str.maketrans("─▸▾↓↑·●⊘…→←×Δ≤≥", "->vv^.*x>><x+<>")


def plain(text: str) -> str:
    """Only ASCII where the characters are ours; names and queries keep theirs."""
    return text.translate(_PLAIN)


#: Where a text goes on that is not shown.
MORE = "…"
#: The same where only ASCII is drawn.
ASCII_MORE = ">"


def cell_count(text: str) -> int:
    """Cells of a terminal: two for wide characters, none for those that combine with the one before."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if east_asian_width(char) in "WF":
        return 2
    return 0 if category(char) in ("Mn", "Me") else 1


def abbreviated(text: str, width: int, *, ascii: bool = False) -> str:
    """At most `width` cells, its beginning and its end, since names that are alike differ at either.

    >>> [abbreviated("billing-worker-eu-1", width) for width in (30, 12, 5, 2, 1, 0)]
    ['billing-worker-eu-1', 'billin…-eu-1', 'bi…-1', 'b…', '…', '']
    """
    if cell_count(text) <= width:
        return text
    if width <= 0:
        return ""
    more = ASCII_MORE if ascii else MORE
    end = (width - 1) // 2
    start = width - 1 - end
    return f"{first_cells(text, start)}{more}{last_cells(text, end)}"


def shortened(text: str, width: int) -> str:
    """At most `width` cells, ended by an ellipsis where there is more."""
    if cell_count(text) <= width:
        return text
    return f"{first_cells(text, width - 1)}{MORE}" if width > 0 else ""


def first_cells(text: str, width: int) -> str:
    """The beginning of a text that fits on `width` cells."""
    if text.isascii():
        return text[: max(0, width)]
    room = width
    for index, char in enumerate(text):
        room -= _cells_of(char)
        if room < 0:
            return text[:index]
    return text


def last_cells(text: str, width: int) -> str:
    """The end of a text that fits on `width` cells; never begins in the middle of combined characters."""
    if width <= 0:
        return ""
    if text.isascii():
        return text[-width:]
    room, start = width, len(text)
    for index in range(len(text) - 1, -1, -1):
        cells = _cells_of(text[index])
        room -= cells
        if room < 0:
            break
        if cells:
            start = index
    return text[start:]


def percent(part: float, whole: float) -> str:
    """'93 %', rounded down, so that 100 % is really all of it; '' where there is no whole."""
    if whole <= 0:
        return ""
    return f"{int(100 * part / whole)} %"


def rate(per_minute: float) -> str:
    """A change with its sign; without one where it rounds to none.

    >>> [rate(number) for number in (2.31, -0.5, 0.04, -0.04)]
    ['+2.3', '-0.5', '0.0', '0.0']
    """
    return f"{per_minute:+.1f}" if abs(per_minute) >= 0.05 else "0.0"


def count(number: int) -> str:
    """At most 5 characters up to 999 million: '187', '1999', '12.3k', '4.5M', rounded down."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if number >= size * 10:
            return f"{number // size}{unit}" if number >= size * 100 else f"{number * 10 // size / 10:.1f}{unit}"
    return str(number)


_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(fraction: float, width: int, ascii: bool = False) -> str:
    """A bar of exactly `width` cells, blanks included, in eighths of a cell (or whole `#`).

    Something is never drawn as nothing, and full only when it is full.
    """
    if width <= 0:
        return ""
    per_cell = 1 if ascii else 8
    most = width * per_cell
    filled = 0 if isnan(fraction) else round(min(1.0, max(0.0, fraction)) * most)
    if fraction < 1:
        filled = min(filled, most - 1)
    if fraction > 0:
        filled = max(filled, 1)
    whole, rest = divmod(filled, per_cell)
    text = ("#" if ascii else "█") * whole + (_EIGHTHS[rest] if rest else "")
    return text.ljust(width)


_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.-:=+*#"
#: A wiggle of less than this share of the largest value is drawn flat-ish instead of filling the height.
_LEAST_SPAN = 0.1


def sparkline(values: Sequence[float], width: int, ascii: bool = False) -> str:
    """The last `width` values, oldest first, padded on the left to exactly `width` cells."""
    levels = _ASCII_LEVELS if ascii else _LEVELS
    last = values[-width:] if width > 0 else ()
    if not last:
        return " " * max(0, width)
    low, high = min(last), max(last)
    span = max(high - low, _LEAST_SPAN * abs(high))
    top = len(levels) - 1
    return "".join(levels[round((value - low) / span * top) if span else 0] for value in last).rjust(width)


def iso(epoch: float) -> str:
    """UTC, always with six decimals: PostgreSQL's microseconds survive the way through a float8 unchanged.

    Years of more than four digits, and those before 0001, have a sign and six digits, as in ISO 8601 and JavaScript.
    What is no time in them is `infinity` or `-infinity`, as in PostgreSQL's JSON.

    >>> [iso(epoch) for epoch in (0.5, 253402300800.0, -62198755200.0, float("inf"))]
    ['1970-01-01T00:00:00.500000Z', '+010000-01-01T00:00:00.000000Z', '-000001-01-01T00:00:00.000000Z', 'infinity']
    """
    found = calendar(epoch)
    if found is None:
        return endless(epoch)
    year, rest = found
    return f"{year:04}{rest}Z" if 1 <= year <= 9999 else f"{year:+07}{rest}Z"
