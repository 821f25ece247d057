"""Habits: how each application uses its sessions, learnt from the polls: how often it takes one up, or drops one.

A poll costs what has changed since the one before: an unchanged session is the same object in both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from pgtop_conn.model.snapshot import (
    ACTIVE,
    FASTPATH,
    IDLE,
    OWN_APPLICATION_NAME,
    TRANSACTION_STATES,
    Backend,
    Snapshot,
)

#: How many of the last gaps, and of the last sessions that ended, are remembered of each pool.
GAPS = 101
DEPARTURES = 200
#: Pools without a session that are remembered: an application may give every session a name of its own.
EMPTY_POOLS = 500
#: So many sessions that end between two polls, and so large a share of the pool, were ended together.
TOGETHER = 5
TOGETHER_SHARE = 0.15

_BUSY = TRANSACTION_STATES | {ACTIVE, FASTPATH}


@dataclass(frozen=True, slots=True)
class Pool:
    """Sessions that belong together: one application of one role in one database."""

    app: str
    role: str
    database: str


@dataclass(frozen=True, slots=True)
class Departure:
    """A session that ended: when a poll missed it, how long it lived, and how long it was idle when last seen."""

    at: float
    life_s: float
    #: None where it was at work.
    idle_s: float | None


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
    #: The most sessions that were active, or in a transaction, at once, and the most there were.
    peak_active: int = 0
    peak: int = 0
    #: The last sessions that ended one by one since `since` (server time): the watch began, or many ended together,
    #: as in a deployment or by a kill.
    left: Sequence[Departure] = ()
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
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS))
    left: deque[Departure] = field(default_factory=lambda: deque(maxlen=DEPARTURES))


def belongs(backend: Backend) -> bool:
    """Whether a session is a client's, not one of a pgtop-conn, and all of it is ours to see."""
    return (
        backend.is_client
        and not backend.hidden
        and backend.key.backend_start is not None
        and backend.app != OWN_APPLICATION_NAME
    )


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
        arrived = self._compare(before, snapshot)
        # Nothing has ended when the numbers agree.
        if len(before.by_key) + arrived != len(snapshot.by_key):
            self._part(before, snapshot)
        for record in self._pools.values():
            record.peak = max(record.peak, record.sessions)
            record.peak_active = max(record.peak_active, record.busy)
        self._forget()

    def of(self, pool: Pool) -> Habit:
        """What is known of one pool."""
        record = self._pools.get((pool.app, pool.role, pool.database))
        if record is None or self._before is None:
            return NO_HABIT
        return Habit(
            watched_s=self._before.taken_at - self._began,
            arrivals=record.arrivals,
            departures=record.departures,
            reuses=record.reuses,
            gap_s=median(record.gaps) if record.gaps else None,
            peak_active=record.peak_active,
            peak=record.peak,
            left=tuple(record.left),
            since=record.since,
        )

    def _begin(self, snapshot: Snapshot) -> None:
        self._pools.clear()
        self._began = snapshot.taken_at
        for backend in snapshot.backends:
            if belongs(backend):
                self._count(backend, 1)
        for record in self._pools.values():
            record.peak, record.peak_active = record.sessions, record.busy

    def _record(self, backend: Backend) -> _Record:
        pool = (backend.app, backend.role, backend.database)
        record = self._pools.get(pool)
        if record is None:
            record = self._pools[pool] = _Record(self._began)
        return record

    def _count(self, backend: Backend, by: int) -> _Record:
        record = self._record(backend)
        record.sessions += by
        if backend.state in _BUSY:
            record.busy += by
        return record

    def _compare(self, before: Snapshot, snapshot: Snapshot) -> int:
        """Count what has changed and what is new; how many rows are new, of whatever kind."""
        arrived, known = 0, before.by_key.get
        for backend in snapshot.backends:
            old = known(backend.key)
            if old is backend:
                continue
            if old is None:
                arrived += 1
                if belongs(backend):
                    self._count(backend, 1).arrivals += 1
                continue
            if belongs(old):
                self._count(old, -1)
            if belongs(backend):
                record = self._count(backend, 1)
                gap_s = _gap(old, backend)
                if gap_s is not None:
                    record.reuses += 1
                    record.gaps.append(gap_s)
        return arrived

    def _part(self, before: Snapshot, snapshot: Snapshot) -> None:
        """Count the sessions that have ended."""
        ended: Counter[tuple[str, str, str]] = Counter()
        for key, backend in before.by_key.items():
            start = key.backend_start
            if key in snapshot.by_key or start is None or not belongs(backend):
                continue
            ended[backend.app, backend.role, backend.database] += 1
            record = self._count(backend, -1)
            record.departures += 1
            record.left.append(Departure(snapshot.taken_at, before.taken_at - start, backend.idle_s(before.taken_at)))
        for pool, count in ended.items():
            record = self._pools[pool]
            if count >= max(TOGETHER, TOGETHER_SHARE * (record.sessions + count)):
                record.left.clear()
                record.since = snapshot.taken_at

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
