"""What looks leaked, and on what evidence: a score from rules, never a threshold. Add a rule: one entry in RULES.

A pool (application, role, database) leaks when its sessions pile up and are never given back. That shows in a single
poll already: sessions began one after the other until now, and each did something at its beginning only, the same
thing. It shows better while it is watched. What is hidden from us is unknown, and never a leak.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from math import exp, log2

from pgtop_conn.model.cohort import Cohort, forgotten, lost_again, measure
from pgtop_conn.model.habits import Habits, Pool
from pgtop_conn.model.leak_words import evidence_of, sentence_of, session_sentences
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import TRANSACTION_STATES, Backend, BackendKey, Snapshot

#: fnmatch patterns of application names whose sessions belong to a person or a tool, however long they are idle.
TOOLS = (
    "psql",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_basebackup",
    "pgAdmin*",
    "DBeaver*",
    "DataGrip*",
    "TablePlus*",
)

#: What a score has to reach to be listed: more speaks for a leak than against one.
BAR = 0.5
#: Points against each pool before any rule has spoken: nearly all pools are healthy.
DOUBT = 5.0
#: Smaller groups are no accumulation; forgotten transactions hurt sooner.
LEAST_SESSIONS = 5
LEAST_TRANSACTIONS = 3
#: A growth is compared with that expected from so many births at least.
DUE = 4.0
#: Seconds of History's window, and the least it needs (see history.py).
GROWTH_WINDOW_S = 300.0


@dataclass(frozen=True, slots=True)
class Leak:
    """One pool that loses its sessions. `sentence` gives the numbers; `evidence` as findings.Cause.LEAK says."""

    pool: Pool
    #: 0 to 1; what is listed has passed.
    score: float
    sentence: str
    evidence: Mapping[str, object]
    #: The sessions that look leaked, each with its own sentence.
    sessions: Mapping[BackendKey, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """`strength` goes from -1 (speaks against a leak) to 1, 0: nothing to say; it is worth so many points."""

    name: str
    points: float
    strength: Callable[[Cohort], float]


def _even(cohort: Cohort) -> float:
    """Births fill the time evenly; all at once is a pool that was filled."""
    return cohort.arrivals.evenness


def _going_on(cohort: Cohort) -> float:
    """And they go on at their pace."""
    return cohort.arrivals.going_on


def _once(cohort: Cohort) -> float:
    """Sessions were used at their beginning only, and not again."""
    return max(-0.5, 2.0 * cohort.once / cohort.judged - 1.0)


def _one_path(cohort: Cohort) -> float:
    """The same last statement points at a code path."""
    return max(0.0, (cohort.share - 0.3) / 0.7) * (1.0 - cohort.upkeep / len(cohort.idle))


def _upkeep(cohort: Cohort) -> float:
    """A pool's own statement was the last, or there never was one: that is how a pool keeps its sessions ready."""
    return -cohort.upkeep / len(cohort.idle)


def _size(cohort: Cohort) -> float:
    return _within(log2(len(cohort.idle) / 8.0) / 3.3)


def _kept(cohort: Cohort) -> float:
    """Those that came while we watched are idle since; those that left after as long a rest speak against it."""
    kept, lost = lost_again(cohort)
    if not kept + lost:
        return 0.0
    return (kept - 3.0 * lost) / (kept + 3.0 * lost) * min(1.0, (kept + lost) / 6.0)


def _grows(cohort: Cohort) -> float:
    """The application grows as its births would have it grow."""
    pace_s, growth = cohort.arrivals.pace_s, cohort.growth
    if not pace_s or growth is None or cohort.full:
        return 0.0
    if min(cohort.habit.watched_s, GROWTH_WINDOW_S) / pace_s < DUE:
        return 0.0
    strength = _within((growth * pace_s / 60.0 - 0.35) / 0.35)
    since, began = cohort.habit.since, cohort.at - cohort.habit.watched_s
    ended_together = since is not None and since > began + 1.0 and cohort.at - since < GROWTH_WINDOW_S
    # What was killed, or deployed anew, is no sign of sessions that are given back.
    return max(0.0, strength) if ended_together else strength


def _beyond_habit(cohort: Cohort) -> float:
    """Idle longer than this pool leaves a session that it takes up again."""
    gap_s = cohort.known_gap_s
    if not gap_s or cohort.median_idle_s <= 0:
        return 0.0
    return _within(log2(cohort.median_idle_s / gap_s) / 4.0)


def _needed(cohort: Cohort) -> float:
    """Sessions that are, or were, at work at once are needed."""
    peak = 0.0
    if cohort.habit.peak and not cohort.in_transaction:
        peak = cohort.habit.peak_active / max(cohort.habit.peak, cohort.size)
    return -max(cohort.working / cohort.size, peak)


def _one_each(cohort: Cohort) -> float:
    """A session for each client is a fleet of workers, not a pile in one."""
    return -max(0.0, 1.0 - (cohort.size / len(cohort.clients) - 1.0) / 1.5) if "" not in cohort.clients else 0.0


def _in_transaction(cohort: Cohort) -> float:
    """No pool parks its sessions in a transaction."""
    return cohort.in_transaction / len(cohort.idle)


def _long_in_transaction(cohort: Cohort) -> float:
    """From half a minute to half an hour, on a scale of ratios."""
    if not cohort.in_transaction:
        return 0.0
    return _in_transaction(cohort) * max(0.0, min(1.0, log2(max(1.0, cohort.median_idle_s) / 30.0) / log2(60.0)))


def _holds_back(cohort: Cohort) -> float:
    """Open transactions that hold back vacuum, or have written."""
    return cohort.holding / len(cohort.idle)


#: Points are log-odds: a score is the logistic function of their sum.
RULES = (
    Rule("arrive evenly", 3.0, _even),
    Rule("go on arriving", 1.5, _going_on),
    Rule("used once", 1.5, _once),
    Rule("one code path", 1.5, _one_path),
    Rule("upkeep last", 3.5, _upkeep),
    Rule("size", 1.5, _size),
    Rule("kept while watched", 2.5, _kept),
    Rule("growth", 2.0, _grows),
    Rule("idle beyond the habit", 1.5, _beyond_habit),
    Rule("sessions at work", 2.0, _needed),
    Rule("one session for each client", 3.5, _one_each),
    Rule("in transaction", 2.5, _in_transaction),
    Rule("long in transaction", 3.0, _long_in_transaction),
    Rule("holds back vacuum", 0.5, _holds_back),
)


def score_of(cohort: Cohort) -> tuple[float, dict[str, float]]:
    """The score, 0 to 1, and the points each rule gave; those that had nothing to say are left out."""
    strengths = ((rule, rule.strength(cohort)) for rule in RULES)
    points = {rule.name: round(rule.points * strength, 2) for rule, strength in strengths if strength}
    total = sum(points.values()) - DOUBT
    return 1.0 / (1.0 + exp(-total)), {name: given for name, given in points.items() if given}


def find_leaks(snapshot: Snapshot, habits: Habits, growth_of: Callable[[str], float | None]) -> tuple[Leak, ...]:
    """The pools that look leaked, worst first: the most sessions lost. `growth_of` is an application's per minute."""
    pools = _pools(snapshot)
    alone = Counter(app for app, _role, _database in pools)
    budget = SlotBudget.of(snapshot) if pools else None
    full: dict[tuple[int, int], bool] = {}
    leaks = []
    for (app, role, database), members in pools.items():
        if budget is None or len(members) < LEAST_TRANSACTIONS:
            continue
        pool = Pool(app, role, database)
        growth = growth_of(app) if alone[app] == 1 else None
        place = (members[0].role_oid, members[0].database_oid)
        if place not in full:
            full[place] = _is_full(snapshot, budget, members[0])
        cohort = measure(pool, members, snapshot.taken_at, habits.of(pool), growth, full[place], _is_pile)
        if cohort is None:
            continue
        leak = _judge(cohort, budget.used, alone[app] > 1)
        if leak is not None:
            leaks.append(leak)
    leaks.sort(key=lambda leak: (-len(leak.sessions), -leak.score, leak.pool.app, leak.pool.role, leak.pool.database))
    return tuple(leaks)


def _pools(snapshot: Snapshot) -> dict[tuple[str, str, str], list[Backend]]:
    """Sessions by pool, without our own, those we may not see, and those of people and tools."""
    pools: defaultdict[tuple[str, str, str], list[Backend]] = defaultdict(list)
    own_pid = snapshot.server.own_pid
    for backend in snapshot.holders:
        if backend.pool and not backend.walsender and backend.key[0] != own_pid:
            pools[backend.pool].append(backend)
    return {pool: members for pool, members in pools.items() if not _is_tool(pool[0])}


@lru_cache(maxsize=1024)
def _is_tool(app: str) -> bool:
    return any(fnmatchcase(app, pattern) for pattern in TOOLS)


def _is_full(snapshot: Snapshot, budget: SlotBudget, backend: Backend) -> bool:
    """Whether another session like this one would be refused."""
    role = snapshot.roles.get(backend.role_oid)
    if role is None:
        return budget.ordinary_free == 0
    return budget.room(role, snapshot.databases.get(backend.database_oid)).free == 0


def _is_pile(idle: Sequence[Backend]) -> bool:
    """Whether so many idle sessions are an accumulation at all."""
    if len(idle) >= LEAST_SESSIONS:
        return True
    return sum(backend.state in TRANSACTION_STATES for backend in idle) >= LEAST_TRANSACTIONS


def _judge(cohort: Cohort, used: int, shared_name: bool) -> Leak | None:
    in_transaction = cohort.in_transaction >= LEAST_TRANSACTIONS
    score, points = score_of(cohort)
    if score < BAR:
        return None
    sessions = forgotten(cohort)
    if len(sessions) < (LEAST_TRANSACTIONS if in_transaction else LEAST_SESSIONS):
        return None
    evidence = evidence_of(cohort, sessions, used) | {"score": round(score, 3), "points": points}
    return Leak(
        cohort.pool,
        score,
        sentence_of(evidence, shared_name),
        evidence,
        session_sentences(cohort, sessions),
    )


def _within(value: float) -> float:
    return max(-1.0, min(1.0, value))
