"""A snapshot as the JSON and CSV that README.md describes: plain dicts and rows. Add a field: one line here."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from pgtop_conn.model.causes.lock_waits import PREPARED
from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags
from pgtop_conn.model.history.trend import History, Trend
from pgtop_conn.model.signalling.guards import Policy, judge
from pgtop_conn.model.slots import SlotBudget, may_hold_slot, rooms
from pgtop_conn.model.snapshot import HIDDEN_STATE, Backend, Snapshot
from pgtop_conn.view.format import iso
from pgtop_conn.view.table.groups import GROUPINGS, Group, group, rate_key

Document = dict[str, object]


def document(
    snapshot: Snapshot,
    budget: SlotBudget,
    policy: Policy,
    view_filter: Filter,
    grouping: str,
    tags: Tags = NO_TAGS,
    history: History | None = None,
) -> Document:
    """The whole snapshot. The filter narrows `groups` and `backends`; `slots` and `states` are always the server's.

    Times are ISO 8601 in UTC, durations seconds. `groups` holds the sessions that take a slot, by the grouping's
    outermost key; `backends` every process, the background ones included. Rates need a `history` with this poll in it.
    """
    shown = [b for b in snapshot.backends if view_filter.matches(b, snapshot.taken_at, tags)]
    groups = group(shown, GROUPINGS[grouping], snapshot.taken_at, budget.used, tags)
    return {
        "taken_at": iso(snapshot.taken_at),
        "server": _server(snapshot, budget),
        "slots": _slots(budget),
        "limits": _limits(snapshot, budget),
        # Who is refused next: further logins of each role that is connected, and what stops the one after them.
        "rooms": _rooms(snapshot, budget),
        "states": dict(budget.states),
        "trend": _trend(snapshot, budget, history),
        "groups": [_group(found, history) for found in groups if not found.walsenders],
        "backends": [_backend(backend, snapshot, policy, tags) for backend in shown],
    }


def _limits(snapshot: Snapshot, budget: SlotBudget) -> list[Document] | None:
    """None where those of roles are not ours to read."""
    if snapshot.server.lacks("pg_roles"):
        return None
    return [
        {"kind": limit.kind, "name": limit.name, "limit": limit.limit, "used": limit.used} for limit in budget.limits
    ]


def _rooms(snapshot: Snapshot, budget: SlotBudget) -> list[Document] | None:
    """As for the limits."""
    if snapshot.server.lacks("pg_roles"):
        return None
    return [
        {"role": room.role, "database": room.database, "free": room.free, "limited_by": room.limited_by}
        for room in rooms(snapshot, budget)
    ]


def _server(snapshot: Snapshot, budget: SlotBudget) -> Document:
    server = snapshot.server
    return {
        "host": server.host,
        "port": server.port,
        "database": server.database,
        "version_num": server.version_num,
        "in_recovery": server.in_recovery,
        "provider": server.provider,
        "pooled": server.pooled,
        "role": server.role,
        "superuser": server.superuser,
        "sees_all": server.sees_all,
        "can_signal": server.can_signal,
        "slot": str(budget.own_slot),
        "door": server.door or None,
        "tls": server.tls or None,
        "missing": list(server.missing),
    }


def _slots(budget: SlotBudget) -> Document:
    return {
        "max": budget.max,
        "used": budget.used,
        "exact": budget.exact,
        "superuser_reserved": budget.superuser_reserved,
        "reserved": budget.reserved,
        "ordinary_free": budget.ordinary_free,
        "level": str(budget.level),
        "authenticating": budget.authenticating,
        "walsenders": {"used": budget.walsenders_used, "max": budget.walsenders_max},
    }


def _trend(snapshot: Snapshot, budget: SlotBudget, history: History | None) -> Document:
    """One look has no rate, and is its own peak."""
    trend = history.trend(budget) if history is not None else None
    trend = trend or Trend(None, None, budget.used, snapshot.taken_at)
    return {
        "per_minute": _rounded(trend.per_minute),
        "seconds_to_full": _rounded(trend.seconds_to_full),
        "peak": trend.peak,
        "peak_at": iso(trend.peak_at),
    }


def _group(found: Group, history: History | None) -> Document:
    return {
        "key": dict([next(iter(found.key.items()))]),
        "count": found.count,
        "share": round(found.share, 4),
        "per_minute": _rounded(history.per_minute(rate_key(found))) if history is not None else None,
        "states": dict(found.states.most_common()),
        "oldest_idle_s": _rounded(found.oldest_idle_s),
        # Merely invisible is not zero.
        "in_transaction": None if HIDDEN_STATE in found.states else found.in_transaction,
        "never_queried": None if HIDDEN_STATE in found.states else found.never_queried,
    }


def _backend(backend: Backend, snapshot: Snapshot, policy: Policy, tags: Tags) -> Document:
    at = snapshot.taken_at
    verdict = judge(backend, snapshot, policy)
    start = backend.key.backend_start
    return {
        "pid": backend.pid,
        "backend_start": iso(start) if start is not None else None,
        "backend_type": backend.backend_type,
        "role": backend.role or None,
        "database": backend.database or None,
        "app": backend.app,
        "client": backend.client or None,
        "state": backend.state,
        "state_s": _rounded(backend.state_s(at)),
        "session_s": _rounded(backend.session_s(at)),
        "xact_s": _rounded(backend.xact_s(at)),
        "query_s": _rounded(backend.query_s(at)),
        "wait": backend.wait or None,
        "blocked_by": _blockers(backend),
        # It has no session, and so no pid.
        "blocked_by_prepared": PREPARED in backend.blocked_by,
        "ssl": backend.ssl,
        "holds_xmin": backend.holds_xmin,
        "wrote": backend.wrote,
        "query": backend.query,
        "query_id": backend.query_id,
        # A number of 64 bits, of which JavaScript and jq 1.6 keep 53.
        "query_id_text": str(backend.query_id) if backend.query_id is not None else None,
        "source": tags.source(backend) or None,
        "leak": tags.leak.get(backend.key),
        "last_statement_s": _rounded(backend.last_statement_s(at)),
        "guard": {"level": verdict.level, "reasons": list(verdict.reasons)},
    }


def _blockers(backend: Backend) -> list[int] | None:
    """Pids; None where it waits for a lock, and for whom could not be asked."""
    if backend.wait_event_type == "Lock" and not backend.blocked_by:
        return None
    return [pid for pid in backend.blocked_by if pid != PREPARED]


def _rounded(seconds: float | None) -> float | None:
    """JSON has no infinity, and no time since one."""
    return round(seconds, 3) if seconds is not None and isfinite(seconds) else None


def csv_rows(snapshot: Snapshot, policy: Policy, backends: Sequence[Backend], tags: Tags = NO_TAGS) -> list[list[str]]:
    """A header and a row for each session that holds a slot, and each walsender; lists are joined by blanks."""
    listed = [backend for backend in backends if may_hold_slot(backend) or backend.walsender]
    return [
        [*CSV_COLUMNS],
        *([_csv(value) for value in _csv_fields(backend, snapshot, policy, tags)] for backend in listed),
    ]


def _csv_fields(backend: Backend, snapshot: Snapshot, policy: Policy, tags: Tags) -> list[object]:
    """The fields of the JSON, the guard in two columns."""
    fields = _backend(backend, snapshot, policy, tags)
    # Here each number is a text.
    del fields["query_id_text"]
    verdict = fields.pop("guard")
    assert isinstance(verdict, dict)
    return [*fields.values(), verdict["level"], "; ".join(verdict["reasons"])]


CSV_COLUMNS = (
    "pid",
    "backend_start",
    "backend_type",
    "role",
    "database",
    "app",
    "client",
    "state",
    "state_s",
    "session_s",
    "xact_s",
    "query_s",
    "wait",
    "blocked_by",
    "blocked_by_prepared",
    "ssl",
    "holds_xmin",
    "wrote",
    "query",
    "query_id",
    "source",
    "leak",
    "last_statement_s",
    "guard",
    "guard_reasons",
)

#: A spreadsheet takes a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _csv(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
