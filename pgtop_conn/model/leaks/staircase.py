"""Staircase: the sessions of one pool that were lost one after the other.

A leak opens a session because the one before never came back. So its sessions, ordered by their beginning, were last
used in that order too, and each was passed over by all that began later. A warm pool shows births of one instant; a
pool in use takes its sessions up again; a fleet of processes with a session each uses them in any order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgtop_conn.model.leaks.births import Life, lives, pace_of
from pgtop_conn.model.leaks.pool_statements import gives_back, is_upkeep, listens
from pgtop_conn.model.redaction.literals import shape
from pgtop_conn.model.snapshot import (
    ACTIVE,
    IDLE,
    IDLE_STATES,
    TRANSACTION_STATES,
    Backend,
    BackendKey,
    waits_for_client,
)

#: Later births from which on a session counts as passed over.
LEAST_PASSED = 2
#: A session may be in use for a while before it is lost: this number of births, and this share of those since its own.
USED_FOR = 3
USED_SHARE = 0.1
#: Nobody uses a session for longer than this multiple of the usual time between two births, plus LONG_USE_S, and then
#: loses it.
LONG_USE_PACES = 15.0
LONG_USE_S = 5.0
#: Postgrex sends a Sync to each idle session every second or two. PINGED_LEAST sessions that went idle
#: within PINGED_S, and PING_AFTER_S after their last statement began, are such sessions.
PINGED_LEAST = 4
PINGED_S = 3.0
PING_AFTER_S = 5.0
#: A transaction that waits this long for its client is forgotten, whatever its session did before.
FORGOTTEN_XACT_S = 600.0
#: The youngest steps have too few births after them. They belong to the rest when they are unused for QUIET_PACES
#: times the usual time between two births, and for QUIET_S.
QUIET_PACES = 2.0
QUIET_S = 2.0
#: Instances that begin one after the other open blocks of one size. LEAST_BLOCKS of them are a row.
LEAST_BLOCKS = 2
LEAST_BLOCK = 3
#: A block is left when another one began this long ago.
BLOCK_S = 3.0

#: query_id, or the normalised text; "" where nothing was ever run.
Statement = int | str


class LastAct(StrEnum):
    """What a session did last, as far as that tells how it was lost."""

    #: A statement of the application's own code.
    STATEMENT = "statement"
    #: The end of a use: ROLLBACK, COMMIT, what a pool sends when a session is given back.
    GIVEN_BACK = "given back"
    #: Nothing, or what makes a session ready or keeps it alive.
    UNUSED = "unused"
    #: A transaction is open.
    TRANSACTION = "transaction"
    #: A result that its client doesn't read.
    RESULT = "result"


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """What the sessions of one pool that come from one address show `at` this instant."""

    at: float
    #: All of them, oldest first; those at work, and those that wait for notifications, included.
    lives: Sequence[Life]
    #: Lost one after the other, oldest first; () where there are none.
    steps: Sequence[Life]
    #: Passed over, whether or not in order.
    candidates: Sequence[Life]
    #: How many could have been passed over: used or not, others began after them.
    could_be: int
    #: Never used, and passed over by others that began one by one.
    unused: Sequence[Life]
    #: Transactions that are forgotten, however they began.
    transactions: Sequence[Life]
    #: Blocks of one size, each unused since the next one began; the newest is not among them.
    blocks: Sequence[Sequence[Life]]
    pace_s: float | None

    @property
    def left_alone(self) -> Iterator[Life]:
        """All that look lost in any way, proven or not."""
        yield from self.steps
        yield from self.unused
        yield from self.candidates
        for block in self.blocks:
            yield from block

    @property
    def newest(self) -> float:
        """When the last session began."""
        return max(life.began for life in self.lives)


def staircase(members: Sequence[Backend], at: float) -> Staircase | None:
    """Look at the sessions of one pool that come from one address; None where there are none that tell anything."""
    pinged = _pinged(members, at)
    found = lives(
        [
            (backend, backend.key.backend_start, last_use(backend, at, pinged=backend.key in pinged))
            for backend in members
            if backend.key.backend_start is not None
        ]
    )
    if not found:
        return None
    idle = [life for life in found if rests(life.backend, at) and not listens(life.backend.query)]
    used = Counter(life.instant for life in found if kind_of(life.backend) is not LastAct.UNUSED)
    # A pool that hands out a session may open a spare one at once: only sessions that were used are counted.
    spent = [life for life in idle if kind_of(life.backend) is not LastAct.UNUSED and used[life.instant] == 1]
    passed_over = [life for life in spent if life.passed >= LEAST_PASSED and _left_alone(life)]
    passed_over = _used_briefly(passed_over)
    steps = _in_order(passed_over)
    pace_s = pace_of(steps)
    if steps:
        steps = [*steps, *_youngest(spent, steps, at, pace_s or 0.0)]
    return Staircase(
        at=at,
        lives=found,
        steps=steps,
        candidates=passed_over,
        could_be=sum(life.retaken + life.passed >= LEAST_PASSED for life in spent),
        unused=[
            life
            for life in idle
            if life.together == 1 and kind_of(life.backend) is LastAct.UNUSED and _left_alone(life)
        ],
        transactions=[
            life for life in idle if life.backend.state in TRANSACTION_STATES and at - life.used >= FORGOTTEN_XACT_S
        ],
        blocks=_blocks(found, idle, at),
        pace_s=pace_s,
    )


def rests(backend: Backend, at: float) -> bool:
    """Whether a session does nothing: it is idle, or waits for its client in the middle of a result."""
    if backend.state in IDLE_STATES:
        return backend.state_change is not None
    return waits_for_client(backend, at)


def kind_of(backend: Backend) -> LastAct:
    """What the session did last."""
    if backend.state == ACTIVE:
        return LastAct.RESULT
    if backend.state in TRANSACTION_STATES:
        return LastAct.TRANSACTION
    if backend.never_queried:
        return LastAct.UNUSED
    if gives_back(backend.query):
        return LastAct.GIVEN_BACK
    return LastAct.UNUSED if is_upkeep(backend.query) else LastAct.STATEMENT


def statement_of(backend: Backend) -> Statement:
    """What tells code paths apart: query_id where the server has it, otherwise the shape of the text."""
    if backend.never_queried:
        return ""
    return backend.query_id if backend.query_id is not None else shape(backend.query)


def dominant(sessions: Sequence[Backend]) -> tuple[Statement, float]:
    """The statement that most of them ran last, and the share of those; of equals the least by its text."""
    counts = Counter(map(statement_of, sessions))
    statement, count = min(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return statement, count / len(sessions)


def last_use(backend: Backend, at: float, *, pinged: bool = False) -> float:
    """When its last use ended, not before it began; now where it is at work. `pinged`: its state tells nothing."""
    began = backend.key.backend_start or 0.0
    if not rests(backend, at):
        return at
    since = backend.query_start if pinged else backend.used_at
    return max(began, since) if since is not None and not backend.never_queried else began


def _pinged(members: Sequence[Backend], at: float) -> frozenset[BackendKey]:
    """Sessions of a pool that keeps them alive without a statement, as a single poll shows them: most went idle just
    now, long after their last statement began."""
    idle = [one for one in members if one.state == IDLE and one.query_start is not None]
    moved = [
        one.key
        for one in idle
        if one.state_change is not None
        and at - one.state_change <= PINGED_S
        and one.state_change - (one.query_start or 0.0) >= PING_AFTER_S
    ]
    return frozenset(moved) if len(moved) >= max(PINGED_LEAST, len(idle) / 2) else frozenset()


def _left_alone(life: Life) -> bool:
    """Whether it was used at its beginning only, by the count of births."""
    return life.retaken <= USED_FOR + USED_SHARE * (life.retaken + life.passed)


def _used_briefly(passed_over: Sequence[Life]) -> list[Life]:
    """Without sessions that served for long before they were left: spares of a pool that was busy once."""
    pace_s = pace_of(passed_over)
    if pace_s is None:
        return list(passed_over)
    longest_s = LONG_USE_PACES * pace_s + LONG_USE_S
    return [life for life in passed_over if life.used - life.began <= longest_s]


def _in_order(passed_over: Sequence[Life]) -> list[Life]:
    """Sessions of which a later beginning goes with a later last use, but for a few places."""
    row = _longest_row([life.used for life in passed_over])
    if not row:
        return []
    slack = 1 + len(passed_over) // 10
    ranks = {
        index: rank for rank, index in enumerate(sorted(range(len(passed_over)), key=lambda i: passed_over[i].used))
    }
    found, inside = [], set(row)
    for index, life in enumerate(passed_over):
        near = min(row, key=lambda other: abs(other - index))
        if index in inside or abs((ranks[index] - ranks[near]) - (index - near)) <= slack:
            found.append(life)
    return found


def _longest_row(values: Sequence[float]) -> list[int]:
    """The places of the longest row of values that never fall."""
    ends: list[float] = []
    last: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        length = bisect_right(ends, value)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [value]
        last[length : length + 1] = [index]
    row = []
    index = last[-1] if last else -1
    while index >= 0:
        row.append(index)
        index = before[index]
    return row[::-1]


def _youngest(spent: Sequence[Life], steps: Sequence[Life], at: float, pace_s: float) -> list[Life]:
    """Sessions that look like the steps and are younger than all of them."""
    statement, _ = dominant([life.backend for life in steps])
    least_s = max(QUIET_S, QUIET_PACES * pace_s)
    return [
        life
        for life in spent
        if life.began > steps[-1].began
        and life.used >= steps[-1].used
        and at - life.used >= least_s
        and _left_alone(life)
        and statement_of(life.backend) == statement
    ]


def _blocks(found: Sequence[Life], idle: Sequence[Life], at: float) -> list[list[Life]]:
    """Blocks of one size, each of which was last used before the next one began; [] where there are too few."""
    # The newest is at work as a rule, or is just being filled.
    newest = max((life.began for life in found if at - life.began >= BLOCK_S), default=float("-inf"))
    # An instance that uses one of its sessions has the others ready.
    alive = {life.instant for life in found if life.used > newest}
    blocks: list[list[Life]] = []
    used = float("-inf")
    for life in idle:
        if life.instant in alive:
            continue
        if life.began >= used:
            blocks.append([])
        blocks[-1].append(life)
        used = max(used, life.used)
    sizes = {len(block) for block in blocks}
    if len(blocks) < LEAST_BLOCKS or len(sizes) > 1 or min(sizes) < LEAST_BLOCK:
        return []
    if any(all(kind_of(life.backend) is LastAct.UNUSED for life in block) for block in blocks):
        return []
    return blocks
