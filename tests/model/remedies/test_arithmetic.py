"""Pool sizes, limits and memory: whatever was observed, the sums stay within what there is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.facts import Memory
from pgtop_conn.model.leaks.habits import Habit, Pool
from pgtop_conn.model.remedies.connection_limits import limit_from
from pgtop_conn.model.remedies.max_connections import GIB, KIB, MIB, Budget, memory_budget
from pgtop_conn.model.remedies.pgbouncer import sections_of
from pgtop_conn.model.remedies.pools import PoolUse, per_instance, shares
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.snapshot import ACTIVE
from tests.support.data.factories import make_backend
from tests.support.data.fields import ServerFields
from tests.support.remedies.cases import facts, make_case, session, setting, sql, texts

few = st.integers(0, 60)


@st.composite
def pool_uses(draw: st.DrawFn) -> list[PoolUse]:
    """Pools with any peaks, from any number of client addresses."""
    pools = draw(
        st.lists(
            st.builds(Pool, st.sampled_from("abcd"), st.sampled_from("rst"), st.sampled_from("xyz")),
            min_size=1,
            unique=True,
        )
    )
    uses = []
    for pool in pools:
        addresses = draw(st.lists(st.integers(1, 40), min_size=1, max_size=30))
        sessions = tuple(make_backend(n, client=f"10.0.0.{address}") for n, address in enumerate(addresses))
        uses.append(PoolUse(pool, sessions, Habit(peak_active=draw(few), peak=draw(few))))
    return uses


@given(st.lists(few, min_size=1, max_size=20), st.integers(0, 200))
def test_shares_never_exceed_the_room(demands: list[int], room: int) -> None:
    given_out = shares(demands, room)
    if given_out is None:
        assert len(demands) > room
        return
    assert sum(given_out) <= room
    assert all(1 <= share <= max(1, demand) for share, demand in zip(given_out, demands, strict=True))


@given(pool_uses(), st.integers(0, 400))
def test_the_pools_of_a_pooler_never_exceed_the_room(uses: list[PoolUse], room: int) -> None:
    sections = sections_of(uses, room)
    if sections is None:
        assert len({use.pool.database for use in uses}) > room
        return
    assert sum(section.connections for section in sections) <= room
    for section in sections:
        assert 1 <= section.pool_size <= section.connections <= section.demand


@given(pool_uses(), st.integers(1, 400))
def test_all_instances_together_stay_within_the_room(uses: list[PoolUse], room: int) -> None:
    sizes = per_instance(uses, room)
    assert all(size >= 1 for size in sizes.values())
    # A pool can't be smaller than one session: only those may exceed their share.
    larger = [use for use in uses if sizes[use.pool] > 1]
    assert sum(use.instances * sizes[use.pool] for use in larger) <= room
    if room >= sum(use.instances * max(2, use.demand) for use in uses):
        assert all(use.instances * sizes[use.pool] >= use.demand for use in uses)


@given(st.integers(0, 10_000))
def test_a_limit_is_never_below_what_is_in_use(healthy: int) -> None:
    assert limit_from(healthy) >= max(1, healthy + 2)


@given(
    ram=st.integers(64, 1 << 20),
    shared=st.integers(0, 1 << 20),
    work=st.integers(1, 1 << 20),
    share=st.floats(0.1, 1.0),
)
def test_what_memory_allows_fits_into_it(ram: int, shared: int, work: int, share: float) -> None:
    budget = Budget(ram * MIB, ram * MIB // 10, shared * MIB, 3, 64 * MIB, 2 * MIB, work * KIB, share)
    assert budget.connections >= 0
    assert budget.connections * budget.per_connection <= budget.left <= budget.ram


def test_four_instances_of_twenty_five_are_too_many() -> None:
    """The example of every page on pools: 4 × 25 = 100 > 97 slots."""
    busy = [
        session(
            n, "web", "shop", "PostgreSQL JDBC Driver", client=f"10.0.0.{n % 4}", state=ACTIVE if n < 36 else "idle"
        )
        for n in range(100)
    ]
    said = texts(sizing(make_case(busy)))
    assert "4 instances × 25 = 100 > 97 slots; recommended 4 × 12 = 48" in said
    assert "maximumPoolSize=12" in said
    assert "leakDetectionThreshold=60000" in said


def test_more_instances_than_slots_need_a_pooler() -> None:
    rows = [session(n, "web", "shop", "puma: worker", client=f"10.0.{n}.1") for n in range(20)]
    assert "more than the 13 that pools may take: use a pooler" in texts(sizing(make_case(rows, max_connections=20)))


def test_without_memory_the_formula_is_shown_and_asked_for() -> None:
    said = texts(sizing(make_case()))
    assert "--ram" in said
    assert "max_connections = (RAM - system - shared_buffers" in said
    assert "1.4 MB idle" in said
    assert not [one for one in sql(sizing(make_case())) if "max_connections" in one]


def test_memory_measured_on_the_host_is_what_counts() -> None:
    measured = Memory(total=16 * GIB, available=8 * GIB, per_backend=2 * MIB, measured=40, largest=30 * MIB)
    settings = (
        setting("shared_buffers", "524288", unit="8kB"),
        setting("work_mem", "8192", unit="kB"),
        setting("maintenance_work_mem", "262144", unit="kB"),
        setting("autovacuum_work_mem", "-1", unit="kB"),
        setting("autovacuum_max_workers", "4"),
    )
    case = make_case(facts=replace(facts(*settings), memory=measured))
    budget = memory_budget(case)
    assert budget is not None
    assert (budget.ram, budget.shared_buffers, budget.per_backend) == (16 * GIB, 4 * GIB, 2 * MIB)
    assert (budget.workers, budget.per_worker, budget.work_mem) == (4, 256 * MIB, 8 * MIB)
    assert "median of 40 sessions measured" in texts(sizing(case))
    told = memory_budget(replace(case, ram=32 * GIB))
    assert told is not None
    assert told.ram == 32 * GIB


@pytest.mark.parametrize(
    ("ram", "server", "statement", "words"),
    [
        (16 * GIB, {"max_connections": 60}, "ALTER SYSTEM SET max_connections = '90';", "raise it on standbys first"),
        (16 * GIB, {"max_connections": 400}, "", "Leave max_connections at 400"),
        (1 * GIB, {"max_connections": 300}, "", "300 is more than the memory is good for"),
        (16 * GIB, {"max_connections": 60, "provider": "AWS RDS"}, "", "in the DB parameter group"),
        (64 * GIB, {"max_connections": 600}, "", "no pooler was seen"),
    ],
)
def test_max_connections(ram: int, server: ServerFields, statement: str, words: str) -> None:
    rows = [session(n, "web", "shop", "web", state=ACTIVE) for n in range(50)]
    remedies = sizing(make_case(rows, ram=ram, **server))
    assert [one for one in sql(remedies) if "max_connections" in one] == ([statement] if statement else [])
    assert words in texts(remedies)


def test_it_is_not_raised_for_sessions_that_only_sit_there() -> None:
    """A leak would take more slots as it took these."""
    rows = [session(n, "web", "shop", "web") for n in range(57)]
    said = texts(sizing(make_case(rows, ram=64 * GIB, max_connections=60)))
    assert "Leave max_connections at 60" in said
    assert "at most 0 sessions were active" in said


def test_it_is_not_raised_beyond_what_goes_without_a_pooler() -> None:
    rows = [session(n, "web", "shop", "web", state=ACTIVE) for n in range(470)]
    said = sql(sizing(make_case(rows, ram=64 * GIB, max_connections=480)))
    assert re.findall(r"max_connections = '(\d+)'", "".join(said)) == ["500"]
