"""Pools as they are used: who holds how many sessions, how many were busy at once, and what each may have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import ceil

from pgtop_conn.model.causes.severity import doubtful_pids
from pgtop_conn.model.findings import Case
from pgtop_conn.model.labels.providers import INTERNAL_ROLES, REPLICATION_ROLES
from pgtop_conn.model.leaks.habits import Habit, Pool
from pgtop_conn.model.leaks.pool_statements import listens
from pgtop_conn.model.slots import may_hold_slot
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME, Backend, Role, is_working

#: What pools may take of the slots that ordinary roles may fill; the rest is for people, jobs and a deploy's overlap.
POOLED_PERCENT = 80
#: What a peak is multiplied by, in per cent, because the highest one was hardly seen.
HEADROOM_PERCENT = 125
#: Watched for less, the habits of a day are not known.
WATCHED_ENOUGH_S = 3600.0


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One application of one role in one database: its sessions at the server time `at`, and its habit."""

    pool: Pool
    sessions: tuple[Backend, ...]
    habit: Habit
    at: float = 0.0
    #: It loses sessions, or may: what it uses says nothing of what it needs.
    leaks: bool = False

    @property
    def peak(self) -> int:
        return max(len(self.sessions), self.habit.peak)

    @property
    def peak_active(self) -> int:
        """The most that were at work at once."""
        return max(sum(is_working(backend, self.at) for backend in self.sessions), self.habit.peak_active)

    @property
    def demand(self) -> int:
        """Sessions that it needs: its busiest moment with headroom, and two at the least."""
        return with_headroom(self.peak_active)

    @property
    def hidden(self) -> int:
        """Sessions of which nobody knows whether they are active: the peaks are too low by as many."""
        return sum(1 for backend in self.sessions if backend.hidden)

    @property
    def sizable(self) -> bool:
        """Whether what was active says how large it has to be: not where it is hidden or leaks, nor of sessions that
        listen."""
        return not self.hidden and not self.leaks and not all(listens(backend.query) for backend in self.sessions)

    @property
    def instances(self) -> int:
        """Distinct client addresses; what comes over the Unix socket is counted as one."""
        return max(1, len({backend.client for backend in self.sessions if backend.client}))


def only_watched(watched_s: float) -> str:
    """What is to be said behind a peak that was seen in too short a time; "" where it was long enough.

    >>> only_watched(16.4), only_watched(7200)
    (' (watched for only 16 s)', '')
    """
    return f" (watched for only {int(watched_s)} s)" if watched_s < WATCHED_ENOUGH_S else ""


def with_headroom(peak: int) -> int:
    """A peak and a quarter more, two at the least.

    >>> [with_headroom(peak) for peak in (0, 1, 4, 40)]
    [2, 2, 5, 50]
    """
    return max(2, ceil(peak * HEADROOM_PERCENT / 100))


def pool_room(case: Case) -> int:
    """Slots that all pools together may take."""
    return case.budget.capacity * POOLED_PERCENT // 100


def sessions_of(case: Case) -> tuple[Backend, ...]:
    """Every client session that is no pgtop-conn; Case.clients may be narrowed, and sums are about the server."""
    own_pid = case.snapshot.server.own_pid
    return tuple(
        one
        for one in case.snapshot.backends
        if may_hold_slot(one) and one.pid != own_pid and one.app != OWN_APPLICATION_NAME
    )


def role_named(case: Case, name: str) -> Role | None:
    """The role of that name, as far as roles were read."""
    return next((role for role in case.snapshot.roles.values() if role.name == name), None)


def untouchable(case: Case, name: str) -> str | None:
    """Why sessions of a role are never to be ended, nor limits on it proposed; None for an ordinary one."""
    role = role_named(case, name)
    if role is not None and role.superuser:
        return "is a superuser"
    replicates = role is not None and (role.replication or role.replication_member)
    if replicates or any(fnmatchcase(name, pattern) for pattern in REPLICATION_ROLES):
        return "is for replication"
    if any(fnmatchcase(name, pattern) for pattern in INTERNAL_ROLES):
        return "belongs to the provider"
    return None


def pool_uses(case: Case) -> tuple[PoolUse, ...]:
    """The pools of ordinary roles that hold sessions now, largest first."""
    held: dict[Pool, list[Backend]] = defaultdict(list)
    for backend in sessions_of(case):
        if backend.role and backend.database:
            held[Pool(backend.app, backend.role, backend.database)].append(backend)
    lost = doubtful_pids(case)
    ordinary = {role for role in {pool.role for pool in held} if untouchable(case, role) is None}
    uses = [
        PoolUse(pool, tuple(sessions), case.observation.habits.of(pool), case.snapshot.taken_at, _leaks(lost, sessions))
        for pool, sessions in held.items()
        if pool.role in ordinary
    ]
    return tuple(sorted(uses, key=lambda use: (-use.peak, use.pool.app, use.pool.role, use.pool.database)))


def _leaks(lost: Collection[int], sessions: Sequence[Backend]) -> bool:
    return any(backend.pid in lost for backend in sessions)


def shares(demands: Sequence[int], room: int) -> list[int] | None:
    """What each gets of `room`: its demand where all fit, otherwise in proportion; None where not even one fits each.

    >>> shares([10, 5], 20), shares([30, 10], 20), shares([1, 1], 1)
    ([10, 5], [14, 5], None)
    """
    if len(demands) > room:
        return None
    wanted = [max(1, demand) for demand in demands]
    total = sum(wanted)
    if total <= room:
        return wanted
    # Each has one for certain; what is left goes by what each wants beyond it, rounded down.
    spare, beyond = room - len(wanted), total - len(wanted)
    return [1 + (want - 1) * spare // beyond for want in wanted]


def per_instance(uses: Iterable[PoolUse], room: int) -> dict[Pool, int]:
    """The pool size for each instance, such that all instances of all pools stay within `room`.

    A pool can't be smaller than one session, so many instances may still exceed a small room.
    """
    listed = list(uses)
    # Two for each instance where they fit, since code that needs a second session would wait for itself.
    given = shares([use.instances * max(2, ceil(use.demand / use.instances)) for use in listed], room)
    if given is None:
        return {use.pool: 1 for use in listed}
    return {use.pool: max(1, share // use.instances) for use, share in zip(listed, given, strict=True)}
