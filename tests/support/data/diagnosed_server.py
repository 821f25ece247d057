"""Servers in trouble of every kind, and what the diagnosis says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Unpack

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.findings import Case, Cause, Finding
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import (
    ACTIVE,
    IN_TRANSACTION,
    STARTING,
    Backend,
    Database,
    Role,
    Server,
    Snapshot,
)
from pgtop_conn.view.table.groups import group_counts
from tests.support.data.factories import BEGAN, NOW, make_backend, make_own, make_snapshot
from tests.support.data.fields import BackendFields, SnapshotFields


def case_of(*polls: Snapshot, facts: Facts = NO_FACTS) -> Case:
    """What these polls, the last one newest, say together."""
    observation = Observation(group_counts)
    for snapshot in polls:
        observation.add(snapshot, SlotBudget.of(snapshot))
    return Case.of(polls[-1], SlotBudget.of(polls[-1]), observation, facts)


def of(
    *groups: Iterable[Backend],
    facts: Facts = NO_FACTS,
    server: Server | None = None,
    roles: Sequence[Role] = (),
    databases: Mapping[int, Database] | None = None,
    **overrides: Unpack[SnapshotFields],
) -> tuple[Finding, ...]:
    """The diagnosis of one look at these sessions and our own."""
    rows = [make_own(), *(backend for group in groups for backend in group)]
    return diagnose(
        case_of(make_snapshot(rows, server=server, roles=roles, databases=databases, **overrides), facts=facts)
    )


def causes(found: Sequence[Finding]) -> list[Cause]:
    return [finding.cause for finding in found]


def pool(
    count: int, first: int = 5000, *, backend_start: float = BEGAN, **overrides: Unpack[BackendFields]
) -> list[Backend]:
    """A pool in use: idle for a moment only, filled at once an hour ago."""
    fields: BackendFields = {"query_start": NOW - 0.6, "state_change": NOW - 0.5}
    fields |= overrides
    return [make_backend(pid, backend_start=backend_start, **fields) for pid in range(first, first + count)]


def active(
    count: int,
    first: int = 6000,
    app: str = "checkout",
    /,
    *,
    backend_start: float = BEGAN,
    **overrides: Unpack[BackendFields],
) -> list[Backend]:
    fields: BackendFields = {"state": ACTIVE, "app": app}
    return pool(count, first, backend_start=backend_start, **(fields | overrides))


def in_transaction(
    count: int, first: int = 7000, for_s: float = 20.0, **overrides: Unpack[BackendFields]
) -> list[Backend]:
    fields: BackendFields = {
        "state": IN_TRANSACTION,
        "app": "orders-api",
        "xact_start": NOW - for_s - 1,
        "state_change": NOW - for_s,
        "query": "UPDATE orders SET status = 'seen' WHERE id = 7",
    }
    return pool(count, first, **(fields | overrides))


def piled_up(count: int, holder: int = 4711, for_s: float = 20.0) -> list[Backend]:
    """A transaction that was forgotten, and those that wait for its lock."""
    report = make_backend(
        holder,
        app="nightly-report",
        state=IN_TRANSACTION,
        xact_start=NOW - 181,
        state_change=NOW - 180,
        query="UPDATE orders SET status = 'reported' WHERE id = 1",
    )
    lock: BackendFields = {
        "state_change": NOW - for_s,
        "wait_event_type": "Lock",
        "wait_event": "transactionid",
        "blocked_by": (holder,),
    }
    return [report, *active(count, holder + 1000, "waiting", **lock)]


def leaked(count: int, first: int = 8000, every_s: float = 30.0, **overrides: Unpack[BackendFields]) -> list[Backend]:
    """One session after another, each used at its beginning only."""
    made = []
    for n in range(count):
        at = NOW - every_s * (count - n)
        fields: BackendFields = {
            "app": "billing-worker",
            "query": "SELECT id FROM invoices WHERE status = 'open'",
            "query_start": at - 0.01,
            "state_change": at,
        }
        made.append(make_backend(first + n, backend_start=at - 0.02, **(fields | overrides)))
    return made


def logins(count: int, age_s: float) -> list[Backend]:
    """Logins in progress as 18 shows them."""
    nobody: BackendFields = {
        "role": "",
        "role_oid": 0,
        "database": "",
        "database_oid": 0,
        "app": "",
        "query": "",
        "state": STARTING,
        "query_start": None,
        "state_change": None,
    }
    return [make_backend(pid, backend_start=NOW - age_s, **nobody) for pid in range(9000, 9000 + count)]
