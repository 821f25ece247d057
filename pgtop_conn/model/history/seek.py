"""Where to go on a tape: a time as it is typed, the next signal, the next peak. Answers are indices of moments."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.filters.words import duration_s
from pgtop_conn.model.history.moments import Mark, Totals
from pgtop_conn.model.instants import moment

#: How far the slots in use have to fall behind a peak, as a share of the largest, and at least how many.
PEAK_FALLS_BY = 0.05
PEAK_FALLS_AT_LEAST = 3

EXPECTED = "expected a time as 14:03, 14:03:22 or 2026-11-21 14:03, a step as +5m or -30s, or a share as 50%"

_CLOCK = re.compile(r"(?:(\d{4})-(\d\d)-(\d\d)[T ])?(\d{1,2}):(\d\d)(?::(\d\d))?")
_SHARE = re.compile(r"(\d{1,3})\s*%")


def nearest_before(times: Sequence[float], at: float) -> int:
    """The moment at this time, or the last one not after it, or the first one.

    Times may be put back, by a failover to a server whose clock is behind: the time of a moment finds that moment.

    >>> [nearest_before([10.0, 20.0, 30.0], at) for at in (5.0, 10.0, 29.0, 99.0)]
    [0, 0, 1, 2]
    >>> [nearest_before([10.0, 20.0, 30.0, 8.0, 12.0], at) for at in (8.0, 12.0, 30.0)]
    [3, 4, 2]
    """
    found = max(0, bisect_right(times, at) - 1)
    if not times or times[found] == at:
        return found
    try:
        return times.index(at)
    except ValueError:
        return found


def moment_named(text: str, times: Sequence[float], here: float) -> int:
    """The moment that a typed time, in local time, means, seen from server time `here`.

    A time without a date is on the day of `here`; where the tape has none of that day's, on the day before or after.
    Raises BadInput for what is no time.
    """
    typed = text.strip()
    if match := _SHARE.fullmatch(typed):
        share = min(100, int(match[1])) / 100
        return nearest_before(times, times[0] + share * (times[-1] - times[0]))
    if typed[:1] in ("+", "-"):
        step_s = duration_s(typed[1:].strip())
        if step_s is None:
            raise BadInput(EXPECTED)
        return nearest_before(times, here + (step_s if typed[0] == "+" else -step_s))
    return nearest_before(times, _instant(typed, times, here))


def _instant(typed: str, times: Sequence[float], here: float) -> float:
    match = _CLOCK.fullmatch(typed)
    if match is None:
        raise BadInput(EXPECTED)
    year, month, day, hour, minute, second = map(int, match.groups(default="0"))
    try:
        if year:
            return _local(datetime(year, month, day, hour, minute, second))  # noqa: DTZ001
        today = moment(here).replace(tzinfo=None)
        same_day = today.replace(hour=hour, minute=minute, second=second, microsecond=0)
        days = [_local(same_day + timedelta(days=days)) for days in (0, -1, 1)]
    except (ValueError, OverflowError):
        raise BadInput(EXPECTED) from None
    return next((at for at in days if times[0] <= at <= times[-1]), days[0])


def _local(naive: datetime) -> float:
    return naive.astimezone().timestamp()


def next_mark(marks: Sequence[Mark], times: Sequence[float], index: int, step: int) -> int | None:
    """The moment of the next signal after moment `index`, or with `step` -1 the one before; None without one."""
    found = sorted({bisect_left(times, mark.at) for mark in marks})
    moments = [min(moment, len(times) - 1) for moment in found]
    return _beyond(moments, index, step)


def next_peak(totals: Sequence[Totals], index: int, step: int) -> int | None:
    """The next moment of a peak of the slots in use, or with `step` -1 the one before; None without one."""
    return _beyond(peaks([one.used for one in totals]), index, step)


def _beyond(moments: Sequence[int], index: int, step: int) -> int | None:
    if step > 0:
        return next((moment for moment in moments if moment > index), None)
    return next((moment for moment in reversed(moments) if moment < index), None)


def peaks(used: Sequence[int]) -> list[int]:
    """Where the numbers are highest between two falls that tell: the first of equal ones, in the order of time.

    >>> peaks([1, 5, 50, 49, 50, 20, 30, 29, 30, 60, 60])
    [2, 9]
    """
    if not used:
        return []
    fall = max(PEAK_FALLS_AT_LEAST, PEAK_FALLS_BY * max(used))
    found: list[int] = []
    top, low, rising = 0, used[0], True
    for index, value in enumerate(used):
        if rising:
            if value > used[top]:
                top = index
            elif value <= used[top] - fall:
                found.append(top)
                rising, low = False, value
        elif value >= low + fall:
            rising, top = True, index
        else:
            low = min(low, value)
    # The last rise has not fallen yet; a recording that never rose or fell has one peak, its highest.
    if rising and (not found or used[top] >= low + fall):
        found.append(top)
    return found
