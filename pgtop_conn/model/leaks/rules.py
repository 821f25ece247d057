"""What is leaked, judged for each session. Add a rule: a function from a staircase to the sessions it proves, in RULES.

Births tell it (see births.py): a pool that has a free session opens no other. What is hidden from us is unknown, and
never a leak. Where the births allow another explanation the verdict is SUSPECTED, and no filter chooses by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from pgtop_conn.model.leaks.births import Life
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.name_groups import app_group
from pgtop_conn.model.leaks.staircase import LastAct, Staircase, kind_of
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot

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

#: Fewer steps are no accumulation.
LEAST_STEPS = 5
#: Steps that prove a leak once births have ended and no session is used again.
PROVEN_STEPS = 8
#: Instances of one pool at several addresses add up from this number of steps each.
LEAST_SISTER = 3
#: While births go on it takes more steps, or this time in which the first is not used again. Processes that open
#: a session each at their first request look the same until the first of them has its second one.
GOING_ON_STEPS = 17
GOING_ON_S = 45.0
#: Steps that began while we watched, at least.
WATCHED_STEPS = 3
#: Sessions never used prove a leak only when this number came while we watched and none went. It must be more than a
#: pool opens to fill itself, or last longer than that takes.
WATCHED_UNUSED = 8
FILLED_WITH = 20
FILLED_S = 30.0
LEAST_TRANSACTIONS = 3
#: Blocks of one size that prove a client for each reload, when one began while we watched, or when they did not all
#: begin within STARTED_S.
PROVEN_BLOCKS = 4
STARTED_S = 10.0
#: Share of the passed-over sessions that are in order, and share of the candidates that are passed over.
LEAST_ORDER = 0.8
LEAST_PURE = 0.5
#: This number of sessions used again, and this share, show that a passed-over session is not lost here. A session is
#: lost all the same once it is unused for BEYOND_GAPS times the longest gap after which one was used again.
EXCUSED = 3.0
EXCUSED_SHARE = 0.25
BEYOND_GAPS = 3.0
#: A pool replaces its sessions when this number ended, and this share of those that began.
REPLACED = 2
REPLACED_SHARE = 0.5
#: Births have stopped when none came for this multiple of their pace, and for STOPPED_S.
STOPPED_PACES = 6.0
STOPPED_S = 10.0


class Certainty(StrEnum):
    """How sure it is that sessions are leaked."""

    FOUND = "found"
    SUSPECTED = "suspected"


class Mistake(StrEnum):
    """What the application does wrong, as far as its sessions show."""

    #: A code path takes a session out of the pool and never gives it back.
    NOT_RELEASED = "not released"
    #: Each request opens an engine, a pool or a connection of its own and doesn't close it.
    NOT_CLOSED = "not closed"
    #: A transaction is left open.
    OPEN_TRANSACTION = "open transaction"
    #: Rows of a result are neither read to the end nor is the result closed.
    UNREAD_RESULT = "unread result"
    #: Each request, or each reload of the code, makes a new client with a pool of its own.
    CLIENT_EACH_TIME = "client each time"
    #: Connections are opened and forgotten without having run anything.
    NEVER_USED = "never used"


@dataclass(frozen=True, slots=True)
class Instance:
    """The sessions of one pool that come from one address. Of an application whose names vary, the shared part."""

    app: str
    role: str
    database: str
    client: str


@dataclass(frozen=True, slots=True)
class LeakWatch:
    """What was seen lately of one instance while it was watched, since `since` on the server's clock.

    Both sequences are of sessions that had been passed over: how long each was unused, in seconds.
    """

    since: float
    #: Sessions of those there are that began since the first of `ended` ended.
    born: int = 0
    #: Steps in the instances of the same pool at other addresses.
    sisters: int = 0
    #: Before it was used again.
    returned: Sequence[float] = ()
    #: Before it ended, alone and not by a signal of ours.
    ended: Sequence[float] = ()

    @property
    def excused(self) -> Sequence[float]:
        """Of those that show that passed-over sessions are not lost here.

        One that ends does where others begin: the pool replaces its sessions as they age.
        """
        replaces = self.born >= REPLACED and len(self.ended) >= max(REPLACED, REPLACED_SHARE * self.born)
        return (*self.returned, *self.ended) if replaces else self.returned


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What one instance shows: the sessions that look lost, what they have in common, and how sure that is."""

    certainty: Certainty
    mistake: Mistake
    sessions: Sequence[Life]
    #: The usual seconds between two births of them.
    pace_s: float | None
    #: 0 to 1: the share of the sessions passed over that fits, and how many there are.
    score: float


@dataclass(frozen=True, slots=True)
class Leak:
    """One pool that loses its sessions. `sentence` gives the numbers; `evidence` as findings.Cause.LEAK says."""

    pool: Pool
    #: 0 to 1.
    score: float
    sentence: str
    evidence: Mapping[str, object]
    #: The sessions that are leaked, each with its own sentence.
    sessions: Mapping[BackendKey, str]


def instances(snapshot: Snapshot) -> dict[Instance, list[Backend]]:
    """Sessions by pool and address, without our own, those we may not see, and those of people and tools."""
    found: defaultdict[Instance, list[Backend]] = defaultdict(list)
    own_pid = snapshot.server.own_pid
    for backend in snapshot.holders:
        if backend.pool and not backend.walsender and backend.key[0] != own_pid and not is_tool(backend.app):
            app, role, database = backend.pool
            found[Instance(app_group(app), role, database, backend.client)].append(backend)
    return found


@lru_cache(maxsize=1024)
def is_tool(app: str) -> bool:
    """Whether the name is that of a person's program."""
    return any(fnmatchcase(app, pattern) for pattern in TOOLS)


def judge(stairs: Staircase, watch: LeakWatch) -> Evidence | None:
    """What the sessions of one instance show; None where nothing looks lost. Sessions of other pools change nothing."""
    judged = [one for rule in RULES if (one := rule(stairs, watch))[0] is not None and one[2]]
    if not judged:
        return None
    certainty, mistake, sessions = next((one for one in judged if one[0] is Certainty.FOUND), judged[0])
    assert certainty is not None
    return Evidence(certainty, mistake, sessions, stairs.pace_s, _score(stairs, sessions, certainty))


Judged = tuple[Certainty | None, Mistake, Sequence[Life]]


def _one_by_one(stairs: Staircase, watch: LeakWatch) -> Judged:
    """Sessions lost one after the other."""
    steps = stairs.steps
    mistake = _mistake(steps) if steps else Mistake.NOT_RELEASED
    in_order = len([life for life in steps if life.passed >= 2])
    if in_order < LEAST_ORDER * len(stairs.candidates):
        return None, mistake, ()
    steps = beyond(steps, watch, stairs.at)
    count = len(steps) + (watch.sisters if len(steps) >= LEAST_SISTER else 0)
    if count < LEAST_STEPS:
        return None, mistake, ()
    stopped = _stopped(stairs)
    unused_s = stairs.at - min(life.used for life in steps)
    if count < (PROVEN_STEPS if stopped or unused_s >= GOING_ON_S else GOING_ON_STEPS):
        return Certainty.SUSPECTED, mistake, steps
    grown = sum(life.began > watch.since for life in steps)
    pure = in_order >= LEAST_PURE * stairs.could_be
    # A pool that replaces its sessions as they age looks like those that are not closed, for as long as it does so.
    told_apart = stopped or mistake is not Mistake.NOT_CLOSED
    if grown >= WATCHED_STEPS or (pure and told_apart):
        return Certainty.FOUND, mistake, steps
    return Certainty.SUSPECTED, mistake, steps


def _transactions(stairs: Staircase, _watch: LeakWatch) -> Judged:
    """Several transactions that were left open for long."""
    enough = len(stairs.transactions) >= LEAST_TRANSACTIONS
    return Certainty.FOUND if enough else None, Mistake.OPEN_TRANSACTION, stairs.transactions


def _in_blocks(stairs: Staircase, watch: LeakWatch) -> Judged:
    """Blocks of one size, each left when the next one came."""
    blocks = stairs.blocks
    sessions = beyond([life for block in blocks for life in block], watch, stairs.at)
    if len(sessions) < PROVEN_STEPS:
        return None, Mistake.CLIENT_EACH_TIME, ()
    # The processes of one host that fill their pools one after the other as they start look the same.
    grown = sum(block[0].began > watch.since for block in blocks)
    told_apart = grown or blocks[-1][0].began - blocks[0][0].began >= STARTED_S
    found = len(blocks) >= PROVEN_BLOCKS and told_apart
    return Certainty.FOUND if found else Certainty.SUSPECTED, Mistake.CLIENT_EACH_TIME, sessions


def _never_used(stairs: Staircase, watch: LeakWatch) -> Judged:
    """Sessions that are opened and never used, seen to come and never to go."""
    grown = [life for life in stairs.unused if life.began > watch.since]
    lasting_s = grown[-1].began - grown[0].began if grown else 0.0
    several = len(grown) >= (WATCHED_UNUSED if lasting_s >= FILLED_S else FILLED_WITH)
    found = several and len(watch.ended) + len(watch.returned) < REPLACED_SHARE * len(grown)
    return Certainty.FOUND if found else None, Mistake.NEVER_USED, stairs.unused


#: The first that is sure is heard, otherwise the first that says anything.
RULES: tuple[Callable[[Staircase, LeakWatch], Judged], ...] = (_one_by_one, _transactions, _in_blocks, _never_used)


def _mistake(steps: Sequence[Life]) -> Mistake:
    """What most of the sessions did last."""
    kinds = [kind_of(life.backend) for life in steps]
    told = {
        LastAct.TRANSACTION: Mistake.OPEN_TRANSACTION,
        LastAct.RESULT: Mistake.UNREAD_RESULT,
        LastAct.GIVEN_BACK: Mistake.NOT_CLOSED,
        LastAct.STATEMENT: Mistake.NOT_RELEASED,
    }
    return told[max(told, key=lambda kind: (kinds.count(kind), str(kind)))]


def beyond(sessions: Sequence[Life], watch: LeakWatch, at: float) -> Sequence[Life]:
    """Those that are unused for longer than passed-over sessions of this instance were before they were used again.

    Processes with a session each, and several pools behind one name, come back to their sessions after some time.
    """
    excused = watch.excused
    if len(excused) < max(EXCUSED, EXCUSED_SHARE * len(sessions)):
        return sessions
    longest_s = max(excused)
    return [life for life in sessions if at - life.used > BEYOND_GAPS * longest_s]


def _stopped(stairs: Staircase) -> bool:
    """Whether births have ended, as at a pool's maximum or on a full server."""
    return have_stopped(stairs.newest, stairs.pace_s, stairs.at)


def have_stopped(newest: float, pace_s: float | None, at: float) -> bool:
    """Whether births at this pace have ended, of which the last was at `newest`."""
    return at - newest > max(STOPPED_S, STOPPED_PACES * (pace_s or 0.0))


def _score(stairs: Staircase, sessions: Sequence[Life], certainty: Certainty) -> float:
    """More sessions that fit, and fewer that don't, are surer; what is only suspected stays below 0.5."""
    fitting = len(sessions) / max(len(sessions), len(stairs.candidates))
    sure: float = fitting * (1.0 - 0.5 ** (len(sessions) / 2.0))
    return sure if certainty is Certainty.FOUND else sure / 2.0
