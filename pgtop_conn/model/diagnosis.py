"""diagnose(): the causes that hold, most important first, each with evidence. Add a cause: one entry in CAUSES."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pgtop_conn.model.causes.limits_and_logins import authenticating, database_limit, reserve, role_limit, walsenders
from pgtop_conn.model.causes.oversized_pools import oversized_pool
from pgtop_conn.model.causes.reconnect_storms import reconnect_storm
from pgtop_conn.model.causes.sessions import blocker, client_wait, idle_in_transaction, leak, traffic
from pgtop_conn.model.causes.severity import FILLS_SHARE
from pgtop_conn.model.findings import Case, Cause, Finding, Severity
from pgtop_conn.model.remedies.remedies import remedies_for
from pgtop_conn.model.snapshot import HOST_DOOR

#: What is said first among equals comes first: the reason before what follows from it.
CAUSES: Mapping[Cause, Callable[[Case], Iterable[Finding]]] = {
    Cause.LEAK: leak,
    Cause.BLOCKER: blocker,
    Cause.IDLE_IN_TRANSACTION: idle_in_transaction,
    Cause.CLIENT_WAIT: client_wait,
    Cause.AUTHENTICATING: authenticating,
    Cause.RECONNECT_STORM: reconnect_storm,
    Cause.TRAFFIC: traffic,
    Cause.OVERSIZED_POOL: oversized_pool,
    Cause.ROLE_LIMIT: role_limit,
    Cause.DATABASE_LIMIT: database_limit,
    Cause.RESERVE: reserve,
    Cause.WALSENDERS: walsenders,
}
_LIMITS = frozenset({Cause.ROLE_LIMIT, Cause.DATABASE_LIMIT})
#: What the titles of processes bear out; of everything else they tell too little.
_BY_TITLE = frozenset({Cause.TRAFFIC, Cause.IDLE_IN_TRANSACTION, Cause.AUTHENTICATING, Cause.RESERVE, Cause.WALSENDERS})
#: What fills a limit that would not be reached without it; sessions that work, or a pool, are what a limit is for.
_FILL = frozenset({Cause.LEAK, Cause.BLOCKER, Cause.IDLE_IN_TRANSACTION, Cause.CLIENT_WAIT, Cause.RECONNECT_STORM})
_ORDER = {cause: place for place, cause in enumerate(CAUSES)}
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def diagnose(case: Case) -> tuple[Finding, ...]:
    """Every cause that holds, with its remedies; () when nothing is wrong.

    Ordered by severity, then by the slots each explains, then as in CAUSES.
    """
    by_title = case.snapshot.server.door == HOST_DOOR
    # All figures are of this snapshot, also where a verdict of some seconds ago would stand.
    case.observation.refresh(case.snapshot)
    causes = [look for cause, look in CAUSES.items() if not by_title or cause in _BY_TITLE]
    found = _with_limits([finding for look in causes for finding in look(case)])
    found.sort(key=lambda one: (_RANK[one.severity], -one.weight, _ORDER[one.cause], one.sessions))
    return tuple(replace(finding, remedies=remedies_for(finding, case)) for finding in found)


def _with_limits(found: Sequence[Finding]) -> list[Finding]:
    """A limit that something else fills explains what is left, and what fills it matters as much as the limit."""
    limits = [finding for finding in found if finding.cause in _LIMITS]
    others = [finding for finding in found if finding.cause not in _LIMITS]
    for number, limit in enumerate(limits):
        inside = frozenset(limit.sessions)
        most = 0
        for index, other in enumerate(others):
            held = len(inside.intersection(other.sessions))
            if other.cause in _FILL and held and held >= FILLS_SHARE * len(inside):
                others[index] = replace(other, severity=min(other.severity, limit.severity, key=_RANK.__getitem__))
                most = max(most, held)
        limits[number] = replace(limit, weight=max(0.0, limit.weight - most))
    return [*others, *limits]
