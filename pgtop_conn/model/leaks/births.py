"""Births: how the sessions of one pool began, and which of them the pool has passed over since.

A pool opens no session while it has a free one. So each birth after the last use of a session is a moment at which the
pool had this session and did not take it. One poll tells, whatever the last statement was and however full the server.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from pgtop_conn.model.snapshot import Backend

#: Births this close to one another are one: a pool that fills itself, an instance that starts.
SAME_INSTANT_S = 0.4
#: A row of such births that lasts longer is no start any more, and each birth counts.
START_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """One session: when it began, when it was last used, and the births of its pool around both."""

    backend: Backend
    began: float
    #: The end of its last use; its beginning where it was never used.
    used: float
    #: The instant it began in, counted from the first, and how many began in it, itself included.
    instant: int
    together: int
    #: Births between its own and its last use: so often it was taken up although there were newer ones.
    retaken: int
    #: Births after its last use.
    passed: int


def lives(sessions: Sequence[tuple[Backend, float, float]]) -> list[Life]:
    """The sessions of one pool, each with the times it began and was last used; oldest first."""
    ordered = sorted(sessions, key=lambda one: (one[1], one[0].pid))
    births: list[float] = []
    places: list[tuple[int, int]] = []
    for number, instant in enumerate(_instants([began for _, began, _ in ordered])):
        births.append(instant[0])
        places += [(number, len(instant))] * len(instant)
    found = []
    for (backend, began, used), (instant_number, together) in zip(ordered, places, strict=True):
        own = bisect_right(births, began)
        # A birth right after the last use was under way before it ended.
        passed = len(births) - bisect_right(births, max(used, began) + SAME_INSTANT_S)
        retaken = max(0, bisect_left(births, used) - own)
        found.append(Life(backend, began, used, instant_number, together, retaken, passed))
    return found


def pace_of(lives: Sequence[Life]) -> float | None:
    """The usual seconds between two births; None for fewer than three sessions."""
    if len(lives) < 3:
        return None
    return median(later.began - earlier.began for earlier, later in pairwise(lives))


def _instants(began: Sequence[float]) -> Iterator[Sequence[float]]:
    """Births that count as one."""
    first = 0
    for index in range(1, len(began) + 1):
        if index < len(began) and began[index] - began[index - 1] <= SAME_INSTANT_S:
            continue
        row = began[first:index]
        if row[-1] - row[0] <= START_S:
            yield row
        else:
            yield from ((one,) for one in row)
        first = index
