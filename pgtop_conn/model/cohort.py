"""Cohort: what one pool's sessions show of themselves: how they began, what they did since, and who is forgotten.

A session is used once when it ran something at its beginning only; births are those of such sessions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2, sqrt
from statistics import median

from pgtop_conn.model.habits import Habit, Pool
from pgtop_conn.model.redact import shape
from pgtop_conn.model.snapshot import ACTIVE, FASTPATH, IDLE, IDLE_STATES, TRANSACTION_STATES, Backend
from pgtop_conn.model.upkeep import is_upkeep, listens

#: What a session did fell into this first share of its life.
ONCE_SHARE = 0.1
#: Idle so many times longer than this pool leaves a session that it takes up again.
STALE_GAPS = 5.0
#: A habit is known from so many sessions that were taken up again.
HABIT_NEEDS = 3
#: A transaction that waits for its client so long is forgotten, whatever its session did before.
FORGOTTEN_XACT_S = 60.0
#: Younger than this nothing can be called forgotten.
LEAST_IDLE_S = 1.0
#: Births before a pause this many times longer than those after it are another story, if most came after it.
PAUSE = 20.0
#: Births at random moments show little of how they are spread before there are so many of them. Where the gaps vary
#: by less than this share of their mean, as those of a job that runs over and over, they show it at once.
CERTAIN_BIRTHS = 24
REGULAR = 0.5
#: Sessions that filled a server at such a pace were opened at once, however short a time ago that was.
AT_ONCE_S = 0.1
#: What births that filled a server say at the least, however long ago that was.
LASTING = 0.6
#: A gap so many times the usual one is a pause, and births go on after it where each side has so many and is at most
#: so many times faster.
LONG_GAPS = 5.0
LEAST_RUN = 3
SAME_PACE = 2.0
#: No session in so many times the pace: arrivals have stopped.
STOPPED = 6.0
#: So many births that were watched can be judged without the ones before.
FEWEST_SEEN = 8
#: From this share on the last statement points at one code path.
DOMINANT = 0.6

#: States of a session at work.
WORKING = frozenset({ACTIVE, FASTPATH})

#: query_id, or the normalised text; "" where nothing was ever run.
Statement = int | str


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How sessions arrive: `evenness` and `going_on` from -1 to 1, and the mean seconds between two; 0: unknown."""

    evenness: float = 0.0
    going_on: float = 0.0
    pace_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """One pool of a snapshot taken `at`. Sessions that listen are counted in `size` only."""

    pool: Pool
    at: float
    size: int
    #: Sessions at work right now, and those whose use could be judged: at work or idle.
    working: int
    judged: int
    #: Idle sessions that were used at their beginning only, or are idle far beyond the habit.
    idle: Sequence[Backend]
    #: How many of them were used at their beginning only, ran a pool's upkeep last or nothing at all, ran nothing.
    once: int
    upkeep: int
    never_queried: int
    #: Of these, those in a transaction, and those of them that hold back vacuum or have written.
    in_transaction: int
    holding: int
    #: What most of them ran last, and their share.
    statement: Statement
    share: float
    clients: Counter[str]
    arrivals: Arrivals
    #: Births of those used once, oldest first.
    births: Sequence[float]
    median_idle_s: float
    habit: Habit
    #: Sessions per minute as the polls saw it; None: too little history.
    growth: float | None
    #: No further session could be let in: that none arrives says nothing.
    full: bool

    @property
    def known_gap_s(self) -> float | None:
        """The habit, where it was seen often enough."""
        return self.habit.gap_s if self.habit.reuses >= HABIT_NEEDS else None


def statement_of(backend: Backend) -> Statement:
    """What tells code paths apart: query_id where the server has it, otherwise the shape of the text."""
    if backend.never_queried:
        return ""
    return backend.query_id if backend.query_id is not None else shape(backend.query)


def measure(
    pool: Pool,
    members: Sequence[Backend],
    at: float,
    habit: Habit,
    growth: float | None,
    full: bool,
    enough: Callable[[Sequence[Backend]], bool] = bool,
) -> Cohort | None:
    """Look at one pool; None where nothing in it is idle for no reason, or not `enough`."""
    idle, births, spans, judged = _sorted_out(members, at, habit)
    if not idle or not enough(idle):
        return None
    births.sort()
    statements = Counter(map(statement_of, idle))
    # Of equals the least by its text, so that the order of rows decides nothing.
    statement, count = min(statements.items(), key=lambda item: (-item[1], str(item[0])))
    in_transaction = [backend for backend in idle if backend.state in TRANSACTION_STATES]
    newest = max(backend.key.backend_start or 0.0 for backend in members)
    known_until = _known_until(births, spans, newest, at)
    return Cohort(
        pool=pool,
        at=at,
        size=len(members),
        working=sum(backend.state in WORKING for backend in members),
        judged=judged,
        idle=idle,
        once=len(births),
        upkeep=sum(backend.state == IDLE and is_upkeep(backend.query) for backend in idle),
        never_queried=sum(backend.never_queried for backend in idle),
        in_transaction=len(in_transaction),
        holding=sum(backend.holds_xmin or backend.wrote for backend in in_transaction),
        statement=statement,
        share=count / len(idle),
        clients=Counter(backend.client for backend in members),
        arrivals=_clearest(births, habit, known_until, newest if full else None),
        births=births,
        median_idle_s=median(at - (backend.state_change or at) for backend in idle),
        habit=habit,
        growth=growth,
        full=full,
    )


def _known_until(births: Sequence[float], spans: Sequence[float], newest: float, at: float) -> float:
    """Until when births tell of the arrivals: younger sessions are at work as long as the others were at their
    beginning, and nobody knows yet that it was all. Where none has come for long that is known."""
    if len(births) < 2 or at - newest > STOPPED * (births[-1] - births[0]) / (len(births) - 1):
        return at
    return at - median(spans) / ONCE_SHARE


def _sorted_out(
    members: Sequence[Backend], at: float, habit: Habit
) -> tuple[list[Backend], list[float], list[float], int]:
    """Who is idle for no reason, births and seconds of use of those used once, and how many could be judged."""
    gap_s = habit.gap_s if habit.reuses >= HABIT_NEEDS else None
    idle: list[Backend] = []
    births: list[float] = []
    spans: list[float] = []
    judged = 0
    for backend in members:
        state, since, start = backend.state, backend.state_change, backend.key.backend_start
        if state in WORKING:
            judged += 1
            continue
        if state not in IDLE_STATES or since is None or start is None or listens(backend.query):
            continue
        judged += 1
        if since - start <= ONCE_SHARE * (at - start):
            idle.append(backend)
            births.append(start)
            spans.append(max(0.0, since - start))
        elif _beyond(backend, at - since, gap_s):
            idle.append(backend)
    return idle, births, spans, judged


def _beyond(backend: Backend, idle_s: float, gap_s: float | None) -> bool:
    """Whether a session that was used more than once is idle far longer than its pool leaves one."""
    if backend.state in TRANSACTION_STATES:
        return idle_s >= max(FORGOTTEN_XACT_S, STALE_GAPS * (gap_s or 0.0))
    return gap_s is not None and idle_s >= STALE_GAPS * gap_s


def _clearest(births: Sequence[float], habit: Habit, at: float, full_since: float | None) -> Arrivals:
    """What all births show, or those since the watch began where they show it better: a pool may have been filled
    at once before it began to lose sessions."""
    known = [birth for birth in births if birth <= at]
    if 2 * len(known) < len(births):
        return Arrivals()
    births, full_since = known, None if full_since is None else min(at, full_since)
    whole = arrivals_of(births, at, full_since)
    seen = [birth for birth in births if habit.since is not None and birth > habit.since]
    if not FEWEST_SEEN <= len(seen) < len(births):
        return whole
    return max(whole, arrivals_of(seen, at, full_since), key=lambda found: (found.evenness, found.going_on))


def arrivals_of(births: Sequence[float], at: float, full_since: float | None = None) -> Arrivals:
    """How evenly births fill the time until `at`, and whether they go on at their pace; oldest first.

    Evenness is the distance of Kolmogorov and Smirnov from births at random moments of that time, less what chance
    gives so few of them: a leak lasts and loses session after session; a pool is filled at once, or replaces its
    sessions so that few old ones are left. `full_since`: nothing could arrive after it.
    """
    births = _after_pause(births)
    if full_since is not None or _resumed(births):
        births, paused_s = _joined(births)
        at -= paused_s
        full_since = None if full_since is None else max(births[-1], full_since - paused_s)
    count = len(births) - 1
    if count < 2:
        return Arrivals()
    first, last = births[0], births[-1]
    pace_s = (last - first) / count
    until = at if full_since is None else full_since
    if until <= first or pace_s <= 0 or (full_since is not None and pace_s < AT_ONCE_S):
        return Arrivals(-1.0, -1.0, 0.0)
    gaps = [later - earlier for earlier, later in pairwise(births)]
    certain = 1.0 if _are_regular(gaps, pace_s) else min(1.0, count / CERTAIN_BIRTHS)
    evenness = _within(1.0 - _unevenness([(birth - first) / (until - first) for birth in births[1:]]) / 0.15)
    going_on = _within(1.0 - ((at - last) / pace_s - 3.0) / 3.0)
    if full_since is not None and last < at:
        # Nobody knows how long they would have gone on: the shorter it lasted against the time since, the more it may
        # have been a rush. That never speaks against a leak: a full server may stay so for hours before anybody looks.
        lasted = _within((log2((last - first) / (at - last)) + 3.0) / 1.5)
        evenness, going_on = min(evenness, max(LASTING, lasted)), 0.0
    return Arrivals(_doubted(evenness, certain), _doubted(going_on, certain), pace_s)


def _are_regular(gaps: Sequence[float], mean: float) -> bool:
    """Whether their standard deviation is below the share of their mean that a job keeps to."""
    return sum((gap - mean) ** 2 for gap in gaps) < (REGULAR * mean) ** 2 * (len(gaps) - 1)


def _unevenness(places: Sequence[float]) -> float:
    """How far from even these places from 0 to 1 are, less what chance gives so few of them; in order."""
    count = len(places)
    apart = max(max(index / count - place, place - (index - 1) / count) for index, place in enumerate(places, 1))
    # Where old sessions are replaced, the young ones prevail; the mean shows that sooner than the largest distance.
    shifted = abs(sum(places) / count - 0.5)
    return max(0.0, apart - 0.9 / sqrt(count), 2.0 * (shifted - 0.4 / sqrt(count)))


def _doubted(strength: float, certain: float) -> float:
    """Few births prove little; against a leak they count in full."""
    return strength * certain if strength > 0 else strength


def _after_pause(births: Sequence[float]) -> Sequence[float]:
    """Without what came before a long pause, such as a pool's first sessions hours before a leak began."""
    count = len(births)
    if count < 8:
        return births
    pause_s, index = max((births[index] - births[index - 1], index) for index in range(1, count))
    later = births[index:]
    if len(later) < 0.6 * count:
        return births
    pace_s = (later[-1] - later[0]) / (len(later) - 1)
    return later if pause_s > PAUSE * pace_s else births


def _resumed(births: Sequence[float]) -> bool:
    """Whether births went on at the same pace after one long pause: the server was full, and somebody made room."""
    if len(births) < 8:
        return False
    gaps = [later - earlier for earlier, later in pairwise(births)]
    longest = gaps.index(max(gaps))
    before, after = gaps[:longest], gaps[longest + 1 :]
    if len(before) < LEAST_RUN or len(after) < LEAST_RUN or gaps[longest] < LONG_GAPS * median(gaps):
        return False
    slow, fast = max(median(before), median(after)), min(median(before), median(after))
    return fast >= AT_ONCE_S and slow <= SAME_PACE * fast


def _joined(births: Sequence[float]) -> tuple[Sequence[float], float]:
    """Births without the pauses in which a full server let nobody in, and the seconds left out."""
    gaps = [later - earlier for earlier, later in pairwise(births)]
    if not gaps or (typical := median(gaps)) < AT_ONCE_S:
        return births, 0.0
    joined, paused_s = [births[0]], 0.0
    for gap, birth in zip(gaps, births[1:], strict=True):
        paused_s += gap - typical if gap > LONG_GAPS * typical else 0.0
        joined.append(birth - paused_s)
    return joined, paused_s


def forgotten(cohort: Cohort) -> list[Backend]:
    """The sessions to name: idle long enough for this pool, and alike where most are; oldest first.

    Those with another last statement may have been taken from a pool that works: without a habit to judge them by
    they are left alone.
    """
    at, gap_s = cohort.at, cohort.known_gap_s
    least_s = max(LEAST_IDLE_S, cohort.arrivals.pace_s or 0.0, gap_s or 0.0)
    found = []
    for backend in cohort.idle:
        idle_s = backend.idle_s(at) or 0.0
        alike = (
            cohort.share < DOMINANT
            or statement_of(backend) == cohort.statement
            or backend.state in TRANSACTION_STATES
            or (gap_s is not None and idle_s >= STALE_GAPS * gap_s)
        )
        if idle_s >= least_s and alike:
            found.append(backend)
    return sorted(found, key=lambda backend: (backend.state_change or 0.0, backend.pid))


def lost_again(cohort: Cohort) -> tuple[int, int]:
    """Of the sessions that began while the pool was watched how many are idle since, and how many like them ended."""
    habit = cohort.habit
    if habit.since is None:
        return 0, 0
    least_s = 0.25 * cohort.median_idle_s
    ended = sum(idle_s is not None and idle_s >= least_s for idle_s in habit.left)
    return sum(birth > habit.since for birth in cohort.births), ended


def _within(value: float) -> float:
    return max(-1.0, min(1.0, value))
