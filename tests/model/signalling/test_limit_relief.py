"""What a plan gives back under a limit."""

from __future__ import annotations

from pgtop_conn.model.signalling.limit_relief import relief
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Database, Snapshot
from tests.support.data.factories import DATABASE_OID, make_backend, make_own, make_role, make_snapshot, make_walsender


def limited(role_limit: int = 10, database_limit: int = -1) -> Snapshot:
    rows = [make_own(), *(make_backend(pid) for pid in range(1, 10)), make_backend(20, role="x", role_oid=600)]
    return make_snapshot(
        [*rows, make_walsender(30)],
        roles=[make_role(connection_limit=role_limit), make_role(600, "x", connection_limit=1)],
        databases={DATABASE_OID: Database(DATABASE_OID, "shop", database_limit)},
    )


def test_without_a_limit_there_is_none() -> None:
    snapshot = make_snapshot()
    assert relief(snapshot.backends, SlotBudget.of(snapshot)) is None


def test_the_tightest_limit_counts_however_few_fall_under_it() -> None:
    snapshot = limited()
    found = relief(snapshot.backends[1:4] + snapshot.backends[10:11], SlotBudget.of(snapshot))
    assert found is not None
    assert (found.limit.name, found.freed, found.before, found.after) == ("x", 1, 0, 1)


def test_a_database_that_is_tighter_counts_and_a_database_counts_all_of_its_sessions() -> None:
    snapshot = limited(database_limit=11)
    found = relief(snapshot.backends[1:4], SlotBudget.of(snapshot))
    assert found is not None
    # Ours is in the database, too.
    assert (found.limit.kind, found.before, found.after) == ("database", 0, 3)


def test_over_the_limit_what_ends_may_not_let_anyone_in() -> None:
    snapshot = limited(role_limit=2)
    found = relief(snapshot.backends[1:4], SlotBudget.of(snapshot))
    assert found is not None
    assert (found.before, found.after) == (0, 0)


def test_a_walsender_takes_nothing_of_a_limit() -> None:
    snapshot = limited()
    assert relief([b for b in snapshot.backends if b.walsender], SlotBudget.of(snapshot)) is None
