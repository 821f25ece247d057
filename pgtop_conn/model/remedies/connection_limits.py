"""CONNECTION LIMIT of roles and databases: computed from what is in use, never below it, so that one can't take all."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

from pgtop_conn.model.causes.severity import doubtful_pids
from pgtop_conn.model.findings import Case, Remedy
from pgtop_conn.model.quoting import shown
from pgtop_conn.model.remedies.pools import (
    HEADROOM_PERCENT,
    WATCHED_ENOUGH_S,
    only_watched,
    pool_room,
    pool_uses,
    role_named,
    sessions_of,
    untouchable,
)
from pgtop_conn.model.remedies.server_settings import alter_database, alter_role
from pgtop_conn.model.snapshot import Backend

_KEEPS = "a limit ends no session, it refuses further logins"
#: No lower limit on the word of a short watch: what is quiet now may be busy in an hour.
LEAST_UNWATCHED = 10


def limit_from(healthy: int) -> int:
    """A limit above what is in use healthily: a quarter more, two at the least.

    >>> [limit_from(healthy) for healthy in (0, 4, 40)]
    [2, 6, 50]
    """
    return healthy + max(2, ceil(healthy * (HEADROOM_PERCENT - 100) / 100))


def role_limit(case: Case, name: str, leaked: Collection[int] = ()) -> tuple[Remedy, ...]:
    """A limit for one role, whose leaked sessions do not count as use; () where one would change nothing.

    `leaked` are pids of a finding, beside what the observation says.

    A limit that somebody has set and that leaves slots for others is left as it is.
    """
    if not name or untouchable(case, name):
        return ()
    own = [backend for backend in sessions_of(case) if backend.role == name]
    limit, arithmetic = _arithmetic(case, own, leaked, "role", name)
    role = role_named(case, name)
    present = role.connection_limit if role is not None else -1
    if limit > pool_room(case) or 0 <= present <= pool_room(case):
        return ()
    why = (
        f"keeps role {shown(name)} from taking every slot: {arithmetic}, with headroom {limit} of the"
        f" {case.budget.capacity} that ordinary roles share; now {_present(present)}; {_keeps(len(own), limit)}"
    )
    return (alter_role(case, name, f"CONNECTION LIMIT {limit};", why),)


def database_limit(case: Case, name: str, leaked: Collection[int] = ()) -> tuple[Remedy, ...]:
    """A limit for one database, where another one is in use that it could starve."""
    sessions = sessions_of(case)
    others = {backend.database for backend in sessions} - {name, ""}
    if not name or not others:
        return ()
    own = [backend for backend in sessions if backend.database == name]
    limit, arithmetic = _arithmetic(case, own, leaked, "database", name)
    present = next((one.connection_limit for one in case.snapshot.databases.values() if one.name == name), -1)
    if limit > pool_room(case) or 0 <= present <= pool_room(case):
        return ()
    why = (
        f"leaves slots for the other databases in use ({len(others)}): {arithmetic}, with headroom {limit} of"
        f" {case.budget.capacity}; sessions of superusers count towards it; now {_present(present)};"
        f" {_keeps(len(own), limit)}"
    )
    return (alter_database(case, name, f"CONNECTION LIMIT {limit};", why),)


def _keeps(held: int, limit: int) -> str:
    """What a limit does now."""
    if held < limit:
        return _KEEPS
    return f"{_KEEPS}: end what is leaked first, since all of them are refused while it holds {held}"


def _arithmetic(case: Case, own: list[Backend], leaked: Collection[int], kind: str, name: str) -> tuple[int, str]:
    """A limit for the sessions that are in use and no leak, or for the peak that was active if that is more."""
    # The same for every finding, so that one role gets one number.
    doubtful = doubtful_pids(case).union(leaked)
    lost = sum(1 for backend in own if backend.pid in doubtful)
    peak = sum(use.peak_active for use in pool_uses(case) if getattr(use.pool, kind) == name)
    in_use = len(own) - lost
    counted = f"it holds {len(own)}, of which {lost} look leaked" if lost else f"it holds {len(own)}"
    watched = max((use.habit.watched_s for use in pool_uses(case)), default=0.0)
    least = LEAST_UNWATCHED if watched < WATCHED_ENOUGH_S else 0
    limit = max(limit_from(max(in_use, peak)), least)
    return limit, f"{counted}, and {peak} were active at once at the peak{only_watched(watched)}"


def _present(limit: int) -> str:
    return "without a limit" if limit < 0 else f"limited to {limit}"


def raised_limit(case: Case, kind: str, name: str, limit: int, used: int) -> tuple[Remedy, ...]:
    """A higher limit for what has reached its own, as far as the server's slots let it; () where they do not."""
    if kind == "role" and untouchable(case, name):
        return ()
    most = used + case.budget.ordinary_free
    wanted = min(limit_from(max(used, limit)), most)
    if wanted <= limit:
        return ()
    closed = "a limit of 0 may be there on purpose, to keep everybody out" if limit == 0 else f"{used} are in use"
    why = (
        f"{kind} {shown(name)} has reached its limit of {limit}: {closed}; {wanted} stays within the"
        f" {case.budget.ordinary_free} slots that are free for ordinary roles"
    )
    alter = alter_role if kind == "role" else alter_database
    return (alter(case, name, f"CONNECTION LIMIT {wanted};", why),)
