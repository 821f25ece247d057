"""Where an axis of time has its ticks, and what they are called: round times of the zone, never so many as to touch."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from math import ceil

from pgtop_conn.model.instants import moment

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE_S for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY_S for days in (1, 2, 7, 14, 28, 91, 365, 3650)),
)
#: Columns from one label to the next, at least: a label has up to eight.
APART = 11


def clock(at: float, zone: tzinfo | None) -> str:
    """The time of day of an instant; `zone` None is local time.

    >>> from datetime import UTC
    >>> clock(3723.9, UTC)
    '01:02:03'
    """
    return moment(at, zone).strftime("%H:%M:%S")


def extent(since: float, until: float, zone: tzinfo | None) -> str:
    """From when to when, no longer than it must be.

    >>> from datetime import UTC
    >>> extent(0, 60, UTC), extent(0, 7200, UTC), extent(0, 90_000, UTC)
    ('1970-01-01 00:00:00-00:01:00', '1970-01-01 00:00-02:00', '1970-01-01 00:00-01-02 01:00')
    """
    first, last = moment(since, zone), moment(until, zone)
    time = "%H:%M:%S" if until - since < 10 * _MINUTE_S else "%H:%M"
    day = "" if first.date() == last.date() else "%m-%d "
    return f"{first.strftime(f'%Y-%m-%d {time}')}-{last.strftime(day + time)}"


def ticks(since: float, until: float, width: int, zone: tzinfo | None, apart: int = APART) -> list[tuple[int, str]]:
    """The column of each tick and its label, from left to right; a label fits before the next tick and the end."""
    span = max(until - since, 1.0)
    step = next((step for step in STEPS_S if step * width / span >= apart), None)
    if step is None:
        return []
    # Round in the zone's own time: days begin at its midnight.
    first = moment(since, zone).astimezone(zone)
    shift = (first.utcoffset() or timedelta()).total_seconds()
    at = ceil((since + shift) / step) * step - shift
    found = []
    while at <= until:
        index = min(width - 1, int((at - since) / span * width))
        label = _label(at, step, zone)
        if index + len(label) <= width:
            found.append((index, label))
        at += step
    return found


def _label(at: float, step: int, zone: tzinfo | None) -> str:
    when = moment(at, zone)
    if step >= _DAY_S or (step >= _HOUR_S and when.hour == 0 and when.minute == 0):
        return when.strftime("%b %d")
    return when.strftime("%H:%M" if step >= _MINUTE_S else "%H:%M:%S")
