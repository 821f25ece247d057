"""A history cut into columns for charts, and where it says nothing: gaps without polls, and restarts of the server.

Thousands of polls become one column each of a chart's width; a column stands for the poll of its highest use.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from operator import attrgetter, ne, sub
from statistics import median

from pgtop_conn.model.history.moments import Totals

#: A pause between two polls is a gap when it is so many times as long as the pauses around it usually are.
GAP_TIMES = 3.0
#: Pauses on either side that tell what is usual there: a history is thinner where it is older.
AROUND = 5
#: Shorter pauses are no gap, however close together the other polls are.
LEAST_GAP_S = 10.0
#: A longer one always is: nothing that is kept is thinned so far.
MOST_PAUSE_S = 900.0

Span = tuple[float, float]

_AT, _USED, _STARTED = attrgetter("at"), attrgetter("used"), attrgetter("started_at")


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """One column of a chart: from `since` until the next one's."""

    since: float
    #: The poll of the highest use in this time, or the last one before it where none fell into it;
    #: None before the first poll, after the last one, and in a gap.
    totals: Totals | None
    #: Without polls for so long that what was used then is unknown.
    gap: bool = False


def in_order(totals: Sequence[Totals]) -> list[Totals]:
    """By server time: after a failover the clock of another server may be behind."""
    return sorted(totals, key=_AT)


def gaps(totals: Sequence[Totals]) -> list[Span]:
    """Pauses, in the order of time, in which nobody looked: the server was away, or nothing was recorded."""
    times = list(map(_AT, totals))
    pauses = list(map(sub, times[1:], times))
    if not pauses:
        return []
    # Hardly any pause is longer than most: only those are looked at more closely.
    least = min(MOST_PAUSE_S, max(LEAST_GAP_S, GAP_TIMES * min(pauses)))
    found = []
    for index in compress(range(len(pauses)), map(least.__lt__, pauses)):
        pause = pauses[index]
        if pause > MOST_PAUSE_S or pause > _usual(pauses, index) * GAP_TIMES:
            found.append((times[index], times[index + 1]))
    return found


def _usual(pauses: Sequence[float], index: int) -> float:
    """The longer one of the usual pauses before and after; endless where this is the only pause."""
    sides = (pauses[max(0, index - AROUND) : index], pauses[index + 1 : index + 1 + AROUND])
    return max((median(side) for side in sides if side), default=float("inf"))


def restarts(totals: Sequence[Totals]) -> list[Span]:
    """The last poll of a server's run and the first one of its next, where both beginnings are known."""
    starts = list(map(_STARTED, totals))
    # Where one run of the server, or of polls that do not know it, ends and the next begins.
    heads = [0, *compress(range(1, len(starts)), map(ne, starts[1:], starts))]
    runs = [(head, end - 1) for head, end in pairwise([*heads, len(starts)]) if end and starts[head] is not None]
    return [
        (totals[last].at, totals[first].at)
        for (begun, last), (first, _) in pairwise(runs)
        if starts[begun] != starts[first]
    ]


def unseen(totals: Sequence[Totals]) -> list[Span]:
    """Gaps and restarts together, in the order of time: between their ends nothing is known."""
    return sorted({*gaps(totals), *restarts(totals)})


def columns(
    totals: Sequence[Totals], width: int, since: float | None = None, until: float | None = None
) -> list[TimeColumn]:
    """`width` columns of the time from `since` to `until`, or of all there is; `totals` in the order of time.

    43,200 polls on 120 columns take some milliseconds: each poll is compared once.
    """
    if not totals or width < 1:
        return []
    times = list(map(_AT, totals))
    first = times[0] if since is None else since
    last = times[-1] if until is None else until
    step = (max(last - first, 1.0)) / width
    bounds = [first + step * number for number in range(width)]
    # The last poll belongs to the last column, not to one behind it.
    starts = [bisect_left(times, bound) for bound in bounds] + [bisect_right(times, first + step * width)]
    away = [span for span in gaps(totals) if span[1] > first and span[0] < last]
    return [
        TimeColumn(bound, *_seen(totals, starts[number], starts[number + 1], bound, bound + step, away))
        for number, bound in enumerate(bounds)
    ]


def _seen(
    totals: Sequence[Totals], start: int, end: int, since: float, until: float, away: Sequence[Span]
) -> tuple[Totals | None, bool]:
    if start < end:
        return max(totals[start:end], key=_USED), False
    if start == 0 or start == len(totals):
        return None, False
    if any(before <= since and after >= until for before, after in away):
        return None, True
    return totals[start - 1], False


def column_of(found: Sequence[TimeColumn], at: float, until: float) -> int | None:
    """The index of the column that an instant falls into; None outside of them."""
    if not found or at < found[0].since or at > until:
        return None
    return max(0, bisect_right(found, at, key=lambda column: column.since) - 1)
