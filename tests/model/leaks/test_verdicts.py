"""A leak that was found stays one until its sessions are used or gone; who is passed over is told from births alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.leaks.births import START_S, lives
from pgtop_conn.model.leaks.name_groups import app_group
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ACTIVE, IDLE, Backend, BackendKey, Server, Snapshot
from pgtop_conn.view.table.groups import group_counts
from tests.support.data.factories import NOW, make_own, make_server, make_snapshot
from tests.support.data.leaked_sessions import lost, session

SYNC_S = 2.0


class Watcher:
    """Watches a server of these sessions, a poll a second."""

    def __init__(self, server: Server | None = None) -> None:
        self.observation = Observation(group_counts)
        self.server = server or make_server(max_connections=300)
        self.at_s = 0.0
        self.last = make_snapshot([])

    def sees(self, rows: Iterable[Backend], seconds: float = 1.0) -> tuple[Leak, ...]:
        """The sessions stay as they are for so long."""
        snapshot: Snapshot
        listed = list(rows)
        for _ in range(max(1, int(seconds))):
            self.at_s += 1.0
            snapshot = make_snapshot([make_own(), *listed], taken_at=NOW + self.at_s, server=self.server)
            self.observation.add(snapshot, SlotBudget.of(snapshot))
        self.observation.refresh(snapshot)
        self.last = snapshot
        return self.observation.leaks(snapshot)


def keys_of(leaks: Sequence[Leak]) -> set[BackendKey]:
    return {key for leak in leaks for key in leak.sessions}


def test_it_outlives_the_end_of_the_growth() -> None:
    watcher, rows = Watcher(), lost(20)
    assert watcher.sees(rows)
    (leak,) = watcher.sees(rows, 600)
    assert len(leak.sessions) == 20
    assert leak.evidence["verdict"] == "found"
    assert leak.evidence["since_s"] == pytest.approx(600, abs=10)


def test_it_outlives_a_full_server_and_the_sessions_of_others_that_leave() -> None:
    watcher, rows = Watcher(make_server(max_connections=34)), lost(20)
    others = [session(100 + n, -900 + 0.01 * n, app="reports") for n in range(10)]
    before = keys_of(watcher.sees([*rows, *others], 3))
    assert before
    assert keys_of(watcher.sees(rows, 30)) >= before


def test_freeing_some_clears_none_of_the_others() -> None:
    watcher, rows = Watcher(), lost(20)
    watcher.sees(rows, 20)
    freed = rows[4:]
    for count in range(len(freed)):
        watcher.observation.signalled([freed[count].key])
        assert keys_of(watcher.sees([*rows[:4], *freed[count + 1 :]])) >= {row.key for row in rows[:4]}


def test_a_session_that_is_used_again_is_cleared_alone() -> None:
    watcher, rows = Watcher(), lost(20)
    watcher.sees(rows, 20)
    used = replace(rows[3], state=ACTIVE, query_start=NOW + watcher.at_s + 0.5, state_change=NOW + watcher.at_s + 0.5)
    leaked = keys_of(watcher.sees([*rows[:3], used, *rows[4:]]))
    assert used.key not in leaked
    assert {row.key for row in rows if row is not rows[3]} <= leaked


def test_what_is_passed_over_and_comes_back_is_no_leak() -> None:
    """Processes that keep a session each: every one has its second request at last."""
    watcher, rows = Watcher(), lost(20)
    for turn, row in enumerate(rows):
        at_s = watcher.at_s + 0.5
        rows[turn] = replace(row, query_start=NOW + at_s, state_change=NOW + at_s)
        watcher.sees(rows)
    assert not watcher.sees(rows, 10)


def test_spares_that_began_together_are_not_named_beside_a_leak_of_the_same_application() -> None:
    spares = [session(100 + n, -3600 + 0.01 * n, -3000 - n) for n in range(7)]
    rows = lost(20)
    watcher = Watcher()
    assert keys_of(watcher.sees([*spares, *rows], 15)) == {row.key for row in rows}


def test_pools_of_ten_one_after_the_other_are_healthy() -> None:
    pods = [
        session(10 * pod + n, 15.0 * pod - 200 + 0.01 * n, None if n else 0.0)
        for pod in range(1, 13)
        for n in range(10)
    ]
    assert not Watcher().sees(pods, 30)


def test_how_fast_a_server_was_filled_is_no_growth_of_now() -> None:
    rows = lost(20)
    (leak,) = Watcher().sees(rows)
    assert leak.evidence["per_minute"] == pytest.approx(60.0)
    (later,) = Watcher().sees([session(row.pid, row.pid - 320.0) for row in rows], 2)
    assert not later.evidence["per_minute"]
    assert "/min" not in later.sentence


def test_an_engine_for_each_request_is_said_to_be_one() -> None:
    watcher = Watcher(make_server(max_connections=26))
    (leak,) = watcher.sees(lost(22, 3.0, query="ROLLBACK"), 40)
    assert leak.evidence["mistake"] == "not closed"
    assert len(leak.sessions) == 22


def pinged(rows: Sequence[Backend], at_s: float) -> list[Backend]:
    """As the server shows them after a Sync to each, which runs no statement."""
    then = NOW + at_s - at_s % SYNC_S
    return [
        row if row.state != IDLE else replace(row, state_change=max(row.state_change or then, then)) for row in rows
    ]


def test_a_keep_alive_without_a_statement_hides_no_leak_and_makes_none() -> None:
    leaking, healthy = Watcher(), Watcher()
    rows = lost(20)
    warm = [session(pid, -3600 + 0.01 * pid) for pid in range(1, 21)]
    for _ in range(30):
        leaks = leaking.sees(pinged(rows, leaking.at_s + 1))
        assert not healthy.sees(pinged(warm, healthy.at_s + 1))
    assert len(keys_of(leaks)) >= 18


@pytest.mark.parametrize("every_s", [0.2, 1.0, 12.0])
def test_it_is_found_at_any_pace(every_s: float) -> None:
    assert keys_of(Watcher().sees(lost(48, every_s), 15))


def test_births_of_one_instant_are_one_unless_they_go_on() -> None:
    def passed(gap_s: float, count: int) -> int:
        rows = lost(count, gap_s)
        return lives([(row, row.key.backend_start or 0.0, row.state_change or 0.0) for row in rows])[0].passed

    assert passed(0.05, 20) == 0
    assert passed(0.2, int(START_S / 0.2)) == 0
    assert passed(0.2, 50) > 40


@pytest.mark.parametrize(
    ("names", "shared"),
    [
        (
            ("puma: cluster worker 0: 8123 [shop]", "puma: cluster worker 3: 99 [shop]"),
            "puma: cluster worker *: * [shop]",
        ),
        (("odota-4f9a2c10be77-queue", "odota-91bb03aa41cd-queue"), "odota-*-queue"),
        (("billing-worker",), "billing-worker"),
        (("",), ""),
    ],
)
def test_names_that_differ_by_process_share_the_rest(names: Sequence[str], shared: str) -> None:
    assert {app_group(name) for name in names} == {shared}


def test_a_leak_whose_sessions_each_have_a_name_of_their_own() -> None:
    rows = [replace(row, app=f"job-{1000 + row.pid}") for row in lost(20)]
    (leak,) = Watcher().sees(rows, 15)
    assert leak.pool.app == "job-*"


healthy_pools = st.lists(st.floats(-3000, -10), min_size=1, max_size=20)


@given(healthy_pools, st.integers(0, 20))
def test_a_pool_of_another_application_changes_no_verdict(uses: list[float], leaked: int) -> None:
    rows = lost(leaked)
    other = [session(500 + n, -3600 + 0.01 * n, used, app="reports") for n, used in enumerate(uses)]
    alone, beside = Watcher(), Watcher()
    assert keys_of(alone.sees(rows, 3)) == keys_of(beside.sees([*rows, *other], 3))


def blocks(count: int, gap_s: float, size: int = 4) -> list[Backend]:
    """Pools of one size, each used as it is filled, the last one ten seconds ago."""
    return [
        session(10 * pool + n, gap_s * (pool - count) - 10.0 + 0.01 * n) for pool in range(count) for n in range(size)
    ]


def suspects_of(rows: Sequence[Backend], seconds: float = 3.0) -> set[BackendKey]:
    watcher = Watcher()
    assert not watcher.sees(rows, seconds)
    return keys_of(watcher.observation.suspects(watcher.last))


def test_a_client_for_each_reload_is_suspected_before_it_is_known() -> None:
    rows = blocks(3, 6.0)
    assert suspects_of(rows) == {row.key for row in rows[:8]}
    assert keys_of(Watcher().sees(blocks(5, 6.0), 3)) == {row.key for row in blocks(5, 6.0)[:16]}


def test_processes_that_fill_their_pools_as_a_host_starts_are_not_called_leaked() -> None:
    assert suspects_of(blocks(8, 1.0))


def test_a_client_for_each_request_is_found_when_one_more_comes() -> None:
    watcher = Watcher()
    assert not watcher.sees(blocks(8, 1.0))
    later = [session(900 + n, 2.0 + 0.01 * n) for n in range(4)]
    last = [session(950 + n, 8.0 + 0.01 * n) for n in range(4)]
    watcher.sees([*blocks(8, 1.0), *later], 7)
    assert keys_of(watcher.sees([*blocks(8, 1.0), *later, *last], 8)) >= {row.key for row in later}
