"""Habits: how each application uses its sessions, learnt from the polls: how often it takes one up, or drops one.

A poll costs what has changed since the one before: an unchanged session is the same object in both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from statistics import median

from pgtop_conn.model.snapshot import IDLE, TRANSACTION_STATES, WORKING_STATES, Backend, Snapshot, is_working

#: How many of the last gaps, and of the last sessions that ended, are remembered of each pool.
GAPS = 101
DEPARTURES = 200
#: Pools without a session that are remembered: an application may give every session a name of its own.
EMPTY_POOLS = 500
#: So many sessions that end between two polls, and so large a share of the pool, were ended together.
TOGETHER = 5
TOGETHER_SHARE = 0.15

_BUSY = TRANSACTION_STATES | WORKING_STATES


@dataclass(frozen=True, slots=True)
class Pool:
    """Sessions that belong together: one application of one role in one database."""

    app: str
    role: str
    database: str


@dataclass(frozen=True, slots=True)
class Habit:
    """What was seen of one pool while it was watched; counts, and seconds."""

    watched_s: float = 0.0
    #: Sessions that began and that ended meanwhile.
    arrivals: int = 0
    departures: int = 0
    #: Idle sessions that were taken up again, and how long those had been idle (median; None: none was).
    reuses: int = 0
    gap_s: float | None = None
    #: The most sessions that were at work at once (snapshot.is_working), and the most there were.
    peak_active: int = 0
    peak: int = 0
    #: How long each of the last sessions was idle when it was last seen, that ended one by one since `since` (server
    #: time): the watch began, or many ended together, as in a deployment or by a kill. None for one that was at work.
    left: Sequence[float | None] = ()
    since: float | None = None


NO_HABIT = Habit()


@dataclass(slots=True)
class _Record:
    """What is counted of one pool."""

    since: float
    sessions: int = 0
    busy: int = 0
    arrivals: int = 0
    departures: int = 0
    reuses: int = 0
    peak_active: int = 0
    peak: int = 0
    #: The median of `gaps`; None: none yet, or to be found anew.
    gap_s: float | None = None
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS))
    left: deque[float | None] = field(default_factory=lambda: deque(maxlen=DEPARTURES))


class Habits:
    """Fed with every poll."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None
        self._began = 0.0
        self._pools: dict[tuple[str, str, str], _Record] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Take in one poll. A restart of the server, or an earlier poll than the last, begins anew."""
        before, self._before = self._before, snapshot
        if before is snapshot:
            return
        if (
            before is None
            or snapshot.taken_at < before.taken_at
            or snapshot.server.started_at != before.server.started_at
        ):
            self._begin(snapshot)
            return
        unchanged = set(before.backends).intersection(snapshot.backends)
        was = {backend.key: backend for backend in filterfalse(unchanged.__contains__, before.backends)}
        for backend in filterfalse(unchanged.__contains__, snapshot.backends):
            self._compare(was.pop(backend.key, None), backend)
        self._part(was.values(), before.taken_at, snapshot.taken_at)
        self._raise_peaks(snapshot)
        self._forget()

    def pools(self) -> list[Pool]:
        """Those that are remembered, whether or not they hold a session now."""
        return [Pool(*pool) for pool in self._pools]

    def of(self, pool: Pool) -> Habit:
        """What is known of one pool."""
        record = self._pools.get((pool.app, pool.role, pool.database))
        if record is None or self._before is None:
            return NO_HABIT
        if record.gap_s is None and record.gaps:
            record.gap_s = median(record.gaps)
        return Habit(
            watched_s=self._before.taken_at - self._began,
            arrivals=record.arrivals,
            departures=record.departures,
            reuses=record.reuses,
            gap_s=record.gap_s,
            peak_active=record.peak_active,
            peak=record.peak,
            left=tuple(record.left),
            since=record.since,
        )

    def _begin(self, snapshot: Snapshot) -> None:
        self._pools.clear()
        self._began = snapshot.taken_at
        for backend in snapshot.backends:
            if backend.pool:
                self._count(backend.pool, backend, 1)
        self._raise_peaks(snapshot)

    def _raise_peaks(self, snapshot: Snapshot) -> None:
        """What is stuck in a transaction or behind its client is not busy."""
        stuck = Counter(
            backend.pool
            for backend in snapshot.holders
            if backend.state in _BUSY and backend.pool and not is_working(backend, snapshot.taken_at)
        )
        for pool, record in self._pools.items():
            record.peak = max(record.peak, record.sessions)
            record.peak_active = max(record.peak_active, record.busy - stuck[pool])

    def _count(self, pool: tuple[str, str, str], backend: Backend, by: int) -> _Record:
        record = self._pools.get(pool)
        if record is None:
            record = self._pools[pool] = _Record(self._began)
        record.sessions += by
        if backend.state in _BUSY:
            record.busy += by
        return record

    def _compare(self, old: Backend | None, new: Backend) -> None:
        """Count a session that has changed, or is new."""
        if old is not None and old.pool:
            self._count(old.pool, old, -1)
        if not new.pool:
            return
        record = self._count(new.pool, new, 1)
        if old is None:
            record.arrivals += 1
            return
        gap_s = _gap(old, new)
        if gap_s is not None:
            record.reuses += 1
            record.gaps.append(gap_s)
            record.gap_s = None

    def _part(self, left: Iterable[Backend], seen_at: float, at: float) -> None:
        """Count the sessions that have ended since they were seen."""
        ended: Counter[tuple[str, str, str]] = Counter()
        for backend in left:
            if not backend.pool:
                continue
            ended[backend.pool] += 1
            record = self._count(backend.pool, backend, -1)
            record.departures += 1
            record.left.append(backend.idle_s(seen_at))
        for pool, count in ended.items():
            record = self._pools[pool]
            if count >= max(TOGETHER, TOGETHER_SHARE * (record.sessions + count)):
                record.left.clear()
                record.since = at

    def _forget(self) -> None:
        """The pools without a session that were met first, when there are too many of them."""
        if len(self._pools) <= EMPTY_POOLS:
            return
        empty = [pool for pool, record in self._pools.items() if not record.sessions]
        for pool in empty[: max(0, len(empty) - EMPTY_POOLS)]:
            del self._pools[pool]


def _gap(old: Backend, new: Backend) -> float | None:
    """How long a session was idle before it was taken up again; None where it was not."""
    if old.state != IDLE or old.never_queried or new.query_start is None or old.state_change is None:
        return None
    return new.query_start - old.state_change if new.query_start > old.state_change else None
