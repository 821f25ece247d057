"""Oversized pools: sessions that were never busy at once, of one pool or of many small ones together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from pgtop_conn.model.causes.severity import (
    SATURATED,
    doubtful_pids,
    hidden_note,
    name,
    pids,
    plural,
    severity,
    share_of,
)
from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.pool_statements import listens
from pgtop_conn.model.leaks.wording import CLIENTS, span
from pgtop_conn.model.slots import Level
from pgtop_conn.model.snapshot import IDLE, Backend, is_working

#: A pool is worth a word from so many sessions, and from such a share of what ordinary roles may use.
LEAST_POOL = 5
POOL_SHARE = 0.15
LEAST_POOL_CALM = 10
POOL_SHARE_CALM = 0.4
#: It explains a full server from this share on.
POOL_EXPLAINS_SHARE = 0.25
#: It is oversized when at most this share was ever busy at once while it was watched for so long.
PEAK_SHARE = 1 / 3
WATCHED_S = 5.0
#: Before that it is said, and no more, as long as the server lets others in.
WATCHED_WELL_S = 120.0
#: Without that: when this share is idle, and has been for so long.
IDLE_SHARE = 0.9
LONG_IDLE_S = 60.0
#: Small pools are to blame together when they hold this share of the slots in use.
TOGETHER_SHARE = 0.5

Pools = dict[Pool, list[Backend]]


def oversized_pool(case: Case) -> Iterator[Finding]:
    """Pools with far more sessions than were ever busy at once; what is leaked is no pool."""
    pools = _pools(case)
    calm = case.budget.level is Level.OK
    least_count, least_share = (LEAST_POOL_CALM, POOL_SHARE_CALM) if calm else (LEAST_POOL, POOL_SHARE)
    least = max(least_count, least_share * case.budget.capacity)
    large = [pool for pool, sessions in pools.items() if len(sessions) >= least]
    found = [finding for pool in large if (finding := _finding(case, {pool: pools[pool]})) is not None]
    yield from found
    if not found and len(pools) > 1 and case.budget.level in SATURATED:
        together = _finding(case, pools)
        if together is not None and len(together.sessions) >= TOGETHER_SHARE * case.budget.used:
            yield together


def _pools(case: Case) -> Pools:
    """What is left of a pool that leaks, or may leak, is no pool to make smaller, nor are sessions that wait for
    notifications."""
    lost = doubtful_pids(case)
    leaking = {backend.pool for backend in case.clients if backend.pid in lost}
    held: Pools = defaultdict(list)
    for backend in case.clients:
        if backend.role and not backend.hidden and backend.pool not in leaking and not listens(backend.query):
            held[Pool(backend.app, backend.role, backend.database)].append(backend)
    return held


def _finding(case: Case, pools: Pools) -> Finding | None:
    """None where the sessions are needed, or where nothing is known of that."""
    sessions = [backend for held in pools.values() for backend in held]
    count = len(sessions)
    peak = sum(_peak(case, pool, held) for pool, held in pools.items())
    watched_s = min(case.observation.habits.of(pool).watched_s for pool in pools)
    idle = [backend for backend in sessions if backend.state == IDLE]
    long_idle = sum(1 for one in idle if (one.idle_s(case.snapshot.taken_at) or 0.0) >= LONG_IDLE_S)
    watched = watched_s >= WATCHED_S
    if peak > PEAK_SHARE * count or (not watched and long_idle < IDLE_SHARE * count):
        return None
    rest = f"at most {peak} of them busy at once in {span(watched_s)}"
    if not watched:
        rest = f"{long_idle} of them idle for more than {span(LONG_IDLE_S)}"
    one = next(iter(pools)) if len(pools) == 1 else None
    return Finding(
        Cause.OVERSIZED_POOL,
        _severity(case, count - peak, watched_s),
        f"{_who(pools)} {count} of {case.budget.used} slots in use, {rest}{hidden_note(case)}",
        {
            # None of the three where it is about many pools.
            "app": one.app if one else None,
            "role": one.role if one else None,
            "database": one.database if one else None,
            "count": count,
            "peak_active": peak,
            "idle_share": share_of(len(idle), count),
            "watched_s": watched_s,
            # Taken up again while we watched: what a pool that works does with its sessions.
            "reused": sum(case.observation.habits.of(pool).reuses for pool in pools),
            "clients": dict(Counter(backend.client for backend in sessions).most_common(CLIENTS)),
        },
        pids(sessions),
        weight=float(count - peak),
    )


def _severity(case: Case, slots: int, watched_s: float) -> Severity:
    """A pool that was quiet for a moment may be busy the next, and logins are not refused yet."""
    if watched_s < WATCHED_WELL_S and case.budget.level not in SATURATED:
        return Severity.INFO
    return severity(case, slots, share=POOL_EXPLAINS_SHARE)


def _peak(case: Case, pool: Pool, sessions: Sequence[Backend]) -> int:
    busy = sum(is_working(backend, case.snapshot.taken_at) for backend in sessions)
    return max(busy, case.observation.habits.of(pool).peak_active)


def _who(pools: Pools) -> str:
    if len(pools) > 1:
        return f"{plural(len(pools), 'pool')} together hold"
    pool = next(iter(pools))
    return f"the pool of {name(pool.app)} ({name(pool.role)} in {name(pool.database)}) holds"
