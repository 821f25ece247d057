"""find_leaks(): the verdicts on the pools of a snapshot, as leaks with their evidence, sentences and sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import inf

from pgtop_conn.model.leaks.habits import Habits, Pool
from pgtop_conn.model.leaks.name_groups import app_group
from pgtop_conn.model.leaks.rules import Certainty, Leak, have_stopped
from pgtop_conn.model.leaks.verdicts import Verdict, Verdicts
from pgtop_conn.model.leaks.wording import LeakFacts, evidence_of, sentence_of, session_sentences
from pgtop_conn.model.snapshot import Backend, Snapshot

#: Sessions used again, at least, before a pool has a usual idle time.
HABIT_NEEDS = 3

_Key = tuple[str, str, str]


def find_leaks(
    snapshot: Snapshot,
    verdicts: Verdicts,
    habits: Habits,
    growth_of: Callable[[str], float | None],
    used: int,
    watched_s: float,
) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
    """What is leaked and what is suspected in the poll that `verdicts` and `habits` took in last, worst first.

    `growth_of` gives an application's sessions per minute, `used` is the slots in use on the whole server.
    """
    found, suspected = verdicts.judged(snapshot)

    def leaks(ones: Sequence[Verdict]) -> tuple[Leak, ...]:
        pools = _pools(ones, snapshot)
        told = [
            _leak(_told(same, members, snapshot, habits, None if shared else growth_of, used, watched_s), shared)
            for same, members, shared in pools
        ]
        told.sort(key=lambda leak: (-len(leak.sessions), -leak.score, leak.pool.app, leak.pool.role))
        return tuple(told)

    return leaks(found), leaks(suspected)


def _pools(verdicts: Sequence[Verdict], snapshot: Snapshot) -> list[tuple[list[Verdict], list[Backend], bool]]:
    """One pool each, whatever addresses its sessions come from: its verdicts, its sessions, and whether another pool
    has its application name."""
    pools: dict[_Key, list[Verdict]] = {}
    for verdict in verdicts:
        instance = verdict.instance
        pools.setdefault((instance.app, instance.role, instance.database), []).append(verdict)
    if not pools:
        return []
    members: dict[_Key, list[Backend]] = {}
    for backend in snapshot.holders:
        if backend.pool:
            app, role, database = backend.pool
            members.setdefault((app_group(app), role, database), []).append(backend)
    names = Counter(app for app, _, _ in members)
    return [(ones, members[pool], names[pool[0]] > 1) for pool, ones in pools.items()]


def _told(
    verdicts: Sequence[Verdict],
    members: Sequence[Backend],
    snapshot: Snapshot,
    habits: Habits,
    growth_of: Callable[[str], float | None] | None,
    used: int,
    watched_s: float,
) -> LeakFacts:
    at = snapshot.taken_at
    lost = sorted((life for one in verdicts for life in one.sessions), key=lambda life: (life.used, life.backend.pid))
    largest = max(verdicts, key=lambda one: len(one.sessions))
    instance = largest.instance
    names = {life.backend.app for life in lost}
    app = next(iter(names)) if len(names) == 1 else instance.app
    pool = Pool(app, instance.role, instance.database)
    since = [one.since for one in verdicts if one.since is not None]
    habit = habits.of(pool)
    pace_s = largest.evidence.pace_s
    if have_stopped(max(one.key.backend_start or 0.0 for one in members), pace_s, at):
        pace_s = inf
    return LeakFacts(
        pool=pool,
        at=at,
        members=members,
        sessions=lost,
        mistake=str(largest.evidence.mistake),
        certainty=str(Certainty.FOUND if since else Certainty.SUSPECTED),
        score=max(one.evidence.score for one in verdicts),
        growth=growth_of(app) if growth_of is not None and len(names) == 1 else None,
        pace_s=pace_s,
        used=used,
        since_s=at - min(since) if since else None,
        watched_s=watched_s,
        habit_s=habit.gap_s if habit.reuses >= HABIT_NEEDS else None,
    )


def _leak(told: LeakFacts, shared_name: bool) -> Leak:
    evidence = evidence_of(told)
    return Leak(told.pool, told.score, sentence_of(evidence, shared_name), evidence, session_sentences(told))
