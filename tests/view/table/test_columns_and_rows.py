"""What is counted column by column is what counting row by row gives, for any snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.filters.language import NO_TAGS, Tags, parse
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget, SlotKind, may_hold_slot
from pgtop_conn.model.snapshot import STARTING, TRANSACTION_STATES, Backend, Database, Snapshot
from pgtop_conn.view.table.groups import GROUPINGS, Group, group, group_counts, largest
from pgtop_conn.view.table.lines import Frame, ViewState, build, is_listed, shown, visible
from tests.support.data.factories import make_role, make_snapshot
from tests.support.data.strategies import backends, snapshots

TAGS = Tags(source=lambda backend: backend.role[:1])


def word(backend: Backend) -> str:
    return "hidden" if backend.hidden else backend.state or "unknown"


def values(backend: Backend) -> dict[str, str]:
    """What each dimension is to read."""
    return {
        "app": backend.app,
        "role": backend.role,
        "state": word(backend),
        "client": backend.client,
        "db": backend.database,
        "source": backend.role[:1],
        "query": " ".join(backend.query.split())[:200],
    }


def everything(groups: list[Group]) -> list[Group]:
    return [one for found in groups for one in (found, *everything(found.children))]


def check(found: Group, rows: tuple[Backend, ...], at: float, used: int) -> None:
    """Every figure of a group, row by row."""
    idle = [idle_s for row in found.backends if (idle_s := row.idle_s(at)) is not None]
    ages = [age_s for row in found.backends if (age_s := row.session_s(at)) is not None]
    assert list(found.backends) == [row for row in rows if found.key.items() <= values(row).items()]
    assert found.count == len(found.backends)
    assert found.share == (found.count / used if used and not found.walsenders else 0.0)
    assert found.states == Counter(map(word, found.backends))
    assert found.in_transaction == sum(row.state in TRANSACTION_STATES for row in found.backends)
    assert found.never_queried == sum(row.never_queried for row in found.backends)
    assert found.blocked == sum(bool(row.blocked_by) for row in found.backends)
    assert found.oldest_idle_s == max(idle, default=None)
    assert (None if found.oldest_start is None else max(0.0, at - found.oldest_start)) == max(ages, default=None)
    assert found.role_oids == {row.role_oid for row in found.backends}
    assert found.database_oids == {row.database_oid for row in found.backends}


@given(snapshots())
def test_groups(snapshot: Snapshot) -> None:
    used = SlotBudget.of(snapshot).used
    for grouping in GROUPINGS.values():
        found = everything(group(snapshot.backends, grouping, snapshot.taken_at, used, TAGS))
        for one in found:
            kinds = [row for row in snapshot.backends if (row.walsender if one.walsenders else may_hold_slot(row))]
            check(one, tuple(kinds), snapshot.taken_at, used)


@given(snapshots())
def test_counts_of_groups(snapshot: Snapshot) -> None:
    counts: Counter[Hashable] = Counter()
    for row in filter(may_hold_slot, snapshot.backends):
        for grouping in GROUPINGS.values():
            names = [dimension.name for dimension in grouping.dimensions]
            for depth in range(1, len(names) + 1):
                counts[tuple((name, values(row)[name]) for name in names[:depth])] += 1
    assert group_counts(snapshot.backends, TAGS) == counts


@given(snapshots(), st.integers(-1, 5), st.integers(-1, 5), st.booleans())
def test_slots(snapshot: Snapshot, role_limit: int, database_limit: int, own: bool) -> None:
    rows = snapshot.backends
    roles = [make_role(oid, f"r{oid}", connection_limit=role_limit) for oid in {row.role_oid for row in rows}]
    databases = {oid: Database(oid, f"d{oid}", database_limit) for oid in {row.database_oid for row in rows}}
    server = replace(snapshot.server, own_pid=rows[0].pid) if own and rows else snapshot.server
    counted = snapshot.counted_used
    snapshot = make_snapshot(rows, server=server, roles=roles, databases=databases, counted_used=counted)
    budget = SlotBudget.of(snapshot)
    clients = [row for row in rows if row.backend_type == "client backend"]
    holders = [row for row in rows if may_hold_slot(row)]
    assert budget.used == (len(clients) if counted is None else counted)
    starting = [row for row in clients if row.state == STARTING or (row.hidden and not row.role_oid)]
    assert budget.authenticating == len(starting)
    assert budget.walsenders_used == sum(row.walsender for row in rows)
    assert budget.states == Counter(map(word, holders))
    assert (budget.own_slot is SlotKind.WALSENDER) == any(row.walsender for row in rows if row.pid == server.own_pid)
    limits = {(limit.kind, limit.oid): limit.used for limit in budget.limits}
    expected = {("role", role.oid): 0 for role in snapshot.roles.values() if role.connection_limit >= 0}
    expected |= {("database", oid): 0 for oid in databases if database_limit >= 0}
    for row in holders:
        for key in (("role", row.role_oid), ("database", row.database_oid)):
            expected |= {key: expected[key] + 1} if key in expected else {}
    assert limits == expected


@given(backends(), st.booleans(), st.sampled_from((None, "client backend", "walsender", "checkpointer")))
def test_who_may_hold_a_slot(row: Backend, hidden: bool, kind: str | None) -> None:
    """Found once for a row, and anew for one that is made from it."""
    row = replace(row, hidden=hidden, backend_type=kind)
    could = bool(row.role_oid and row.database_oid and not row.walsender)
    assert row.holds_slot == (could if hidden and kind is None else kind == "client backend")
    assert row.counted_as == word(row)


@given(snapshots(), st.sampled_from(("", "state:idle", "type:checkpointer", "app:web", "web", "idle>1m", "!pid:5")))
def test_shown(snapshot: Snapshot, text: str) -> None:
    wanted, at = parse(text), snapshot.taken_at
    everyone = "type:" in text or "pid:" in text
    assert shown(snapshot, wanted) == [
        row for row in snapshot.backends if (everyone or is_listed(row)) and wanted.matches(row, at)
    ]


@given(snapshots())
def test_the_largest_group(snapshot: Snapshot) -> None:
    """It alone is made, and is the first of all of them."""
    at, used = snapshot.taken_at, SlotBudget.of(snapshot).used
    for grouping in GROUPINGS.values():
        first = next(iter(group(snapshot.holders, grouping, at, used, TAGS)), None)
        found = largest(snapshot.holders, grouping, at, used, TAGS)
        assert (found is None) == (first is None)
        if found is not None and first is not None:
            assert (found.path, found.key, list(found.backends)) == (first.path, first.key, list(first.backends))
            assert [one.path for one in everything([found])] == [one.path for one in everything([first])]


@given(snapshots(), st.sampled_from(("", "state:idle", "type:checkpointer", "app:web", "!pid:5")), st.booleans())
def test_lines_of_what_holds_no_slot_come_with_a_filter_for_them(snapshot: Snapshot, text: str, turned: bool) -> None:
    view = ViewState(filter=parse(text), reverse=turned)
    frame = Frame(snapshot, SlotBudget.of(snapshot), Policy(), {})
    below = [line.backend for line in build(frame, view) if line.key[0] != "\0background" and line.backend is not None]
    assert {row.key for row in below} == {row.key for row in visible(snapshot, view, NO_TAGS) if not is_listed(row)}
