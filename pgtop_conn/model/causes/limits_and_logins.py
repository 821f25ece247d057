"""Causes that the server's limits, and those who come to its door, are at fault of.

Each is a function from a case to its findings; diagnosis.CAUSES lists them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgtop_conn.model.causes.severity import name, pids, plural, severity
from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.leaks.wording import span
from pgtop_conn.model.slots import Level, Limit, may_hold_slot
from pgtop_conn.model.snapshot import STARTING, Backend

#: A limit one short of being reached is worth a word from this size on: a small one is meant to be used up.
ONE_SHORT_FROM = 5
#: Refusals this recent say that a limit hurts.
REFUSED_WITHIN_S = 3600.0

#: Reserves above this share of max_connections are large, unless they are no more than the default.
LARGE_RESERVE_SHARE = 0.25
DEFAULT_RESERVE = 3

#: Logins in progress that are no coincidence, and how long each must have lasted where the server tells (18).
UNFINISHED_LOGINS = 3
UNFINISHED_S = 2.0


def role_limit(case: Case) -> Iterator[Finding]:
    """Roles at their CONNECTION LIMIT."""
    return _limits(case, "role", Cause.ROLE_LIMIT)


def database_limit(case: Case) -> Iterator[Finding]:
    """Databases at theirs."""
    return _limits(case, "database", Cause.DATABASE_LIMIT)


def _limits(case: Case, kind: str, cause: Cause) -> Iterator[Finding]:
    for limit in case.budget.limits:
        if limit.kind != kind or not limit.used:
            # With a limit of 0 and nobody in, it is a door that is closed on purpose.
            continue
        if limit.free == 0 or (limit.free == 1 and limit.limit >= ONE_SHORT_FROM):
            yield _limit(case, limit, cause)


def _limit(case: Case, limit: Limit, cause: Cause) -> Finding:
    sessions = [backend for backend in case.snapshot.backends if may_hold_slot(backend) and _under(backend, limit)]
    # A hidden row may be no session, so that there may be fewer.
    up_to = "up to " if any(backend.hidden and backend.backend_type is None for backend in sessions) else ""
    who = f"{limit.kind} {name(limit.name)}"
    if limit.limit == 0:
        summary = f"{who} lets nobody in (CONNECTION LIMIT 0), and {up_to}{plural(limit.used, 'session')} got in before"
    else:
        rest = "the next login is refused" if not limit.free else "one more login is let in"
        summary = (
            f"{who} holds {up_to}{limit.used} of the {limit.limit} sessions that its CONNECTION LIMIT allows: {rest}"
        )
    return Finding(
        cause,
        _limit_severity(case, limit, sure=not up_to),
        summary,
        {"name": limit.name, "limit": limit.limit, "used": limit.used, "free": limit.free},
        pids(sessions),
        weight=float(limit.used),
    )


def _limit_severity(case: Case, limit: Limit, *, sure: bool) -> Severity:
    """Nobody is hurt by a limit that nobody runs into: critical is one of which the log tells refusals."""
    if limit.limit == 0 or limit.free:
        return Severity.INFO
    since = case.snapshot.taken_at - REFUSED_WITHIN_S
    refused = any(one.kind == limit.kind and one.count and one.hour >= since for one in case.facts.refused or ())
    return Severity.CRITICAL if refused and sure else Severity.WARNING


def _under(backend: Backend, limit: Limit) -> bool:
    return (backend.role_oid if limit.kind == "role" else backend.database_oid) == limit.oid


def reserve(case: Case) -> Iterator[Finding]:
    """No way in for the superuser, a reserve that nobody may use, reserves that take too much."""
    server = case.snapshot.server
    evidence: dict[str, object] = {
        "superuser_reserved": server.superuser_reserved,
        "reserved": server.reserved,
        "provider_reserved": dict(server.provider_reserved),
        "max_connections": server.max_connections,
    }
    if server.superuser_reserved == 0:
        full = case.budget.level is Level.FULL
        yield Finding(
            Cause.RESERVE,
            Severity.CRITICAL if full else Severity.WARNING,
            f"superuser_reserved_connections is 0 of {server.max_connections}: "
            + ("the server is full, and" if full else "once the server is full,")
            + " not even a superuser gets in",
            evidence,
        )
    # A provider's own agents may use a reserve by ways that pg_roles doesn't show.
    usable = server.provider or any(
        role.uses_reserved and role.can_login and not role.superuser for role in case.snapshot.roles.values()
    )
    if server.reserved > 0 and not usable:
        yield Finding(
            Cause.RESERVE,
            Severity.INFO,
            f"reserved_connections keeps {plural(server.reserved, 'slot')} free, and no role but superusers may use"
            f" {'it' if server.reserved == 1 else 'them'}: none is a member of pg_use_reserved_connections",
            evidence,
            weight=float(server.reserved),
        )
    total = server.superuser_reserved + server.all_reserved
    if total > max(DEFAULT_RESERVE, LARGE_RESERVE_SHARE * server.max_connections):
        yield Finding(
            Cause.RESERVE,
            Severity.INFO,
            f"{total} of {server.max_connections} slots are reserved: ordinary roles have {case.budget.capacity}",
            evidence,
            weight=float(total),
        )


def authenticating(case: Case) -> Iterator[Finding]:
    """Connections that hold slots and never finish their login; one that is on its way is none of them."""
    at = case.snapshot.taken_at
    starting = [
        backend
        for backend in case.clients
        if backend.is_client and (backend.state == STARTING or (backend.hidden and not backend.role_oid))
    ]
    ages = {backend.pid: backend.session_s(at) for backend in starting}
    lasting = [backend for backend in starting if (age := ages[backend.pid]) is None or age >= UNFINISHED_S]
    # Those without a row have lasted through two readings (17 and older).
    count = case.snapshot.authenticating + len(lasting)
    if count < UNFINISHED_LOGINS:
        return
    known = [age for backend in lasting if (age := ages[backend.pid]) is not None]
    oldest_s = max(known, default=None)
    lasts = f", the oldest for {span(oldest_s)}" if oldest_s is not None else ""
    yield Finding(
        Cause.AUTHENTICATING,
        severity(case, count, Severity.WARNING),
        f"{count} connections hold a slot and have not finished their login{lasts}",
        {"count": count, "oldest_s": oldest_s},
        pids(lasting),
        weight=float(count),
    )


def walsenders(case: Case) -> Iterator[Finding]:
    """All walsenders taken: they hold no slot of max_connections, and a standby that reconnects is refused."""
    used, most = case.budget.walsenders_used, case.budget.walsenders_max
    if not most or used < most:
        return
    yield Finding(
        Cause.WALSENDERS,
        Severity.WARNING,
        f"all {most} walsenders of max_wal_senders are taken: a standby that reconnects is refused"
        " (they hold no slot of max_connections)",
        {"used": used, "max": most},
        pids(backend for backend in case.snapshot.backends if backend.walsender),
    )
