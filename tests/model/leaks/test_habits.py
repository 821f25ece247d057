"""How an application uses its sessions, as the polls see it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.leaks import habits as module
from pgtop_conn.model.leaks.habits import NO_HABIT, Habit, Habits, Pool
from pgtop_conn.model.snapshot import ACTIVE, IDLE, IN_TRANSACTION, Backend, Snapshot
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_hidden,
    make_server,
    make_walsender,
    poll,
)

WEB = Pool("web", "app", "shop")


def watch(*polls: Snapshot) -> Habits:
    habits = Habits()
    for snapshot in polls:
        habits.add(snapshot)
    return habits


def used(backend: Backend, at_s: float, state: str = IDLE) -> Backend:
    """Taken up so many seconds after NOW."""
    return replace(backend, query_start=NOW + at_s, state_change=NOW + at_s + 0.01, state=state)


def new(pid: int, at_s: float) -> Backend:
    start = NOW + at_s
    return make_backend(pid, backend_start=start, query_start=start, state_change=start + 0.01)


def test_of_a_pool_that_was_never_seen_nothing_is_known() -> None:
    assert Habits().of(WEB) == watch(poll([])).of(WEB) == NO_HABIT


def test_the_first_poll_sees_no_arrivals() -> None:
    habit = watch(poll([make_backend(1), make_backend(2, state=ACTIVE)])).of(WEB)
    assert (habit.arrivals, habit.departures, habit.peak, habit.peak_active, habit.watched_s) == (0, 0, 2, 1, 0.0)


def test_arrivals_departures_and_peaks_are_counted() -> None:
    first, second = make_backend(1), make_backend(2, state=ACTIVE)
    habit = watch(poll([first, second]), poll([first, second, new(3, 1)], 2), poll([second, new(4, 3)], 4)).of(WEB)
    assert (habit.arrivals, habit.departures, habit.peak, habit.peak_active) == (2, 2, 3, 1)
    assert habit.watched_s == 4.0
    # The first was idle a minute when the watch began; the other lived one second until it was last seen.
    assert habit.left == pytest.approx((62.0, 0.99))


def test_a_transaction_in_which_nothing_runs_is_not_busy_for_long() -> None:
    """Twenty of them were called twenty active at once, and a pool of 25 was proposed."""
    stuck = [make_backend(pid, state=IN_TRANSACTION, state_change=NOW) for pid in range(1, 21)]
    assert watch(poll(stuck, 1)).of(WEB).peak_active == 20
    assert watch(poll(stuck, 30), poll(stuck, 32)).of(WEB).peak_active == 0


def test_a_session_taken_up_again_shows_how_long_it_was_idle() -> None:
    one = make_backend(1, state_change=NOW)
    polls = [
        poll([one]),
        poll([used(one, 4)], 5),
        poll([used(one, 4)], 6),
        poll([used(one, 10.01, ACTIVE)], 11),
    ]
    habit = watch(*polls).of(WEB)
    assert habit.reuses == 2
    assert habit.gap_s == pytest.approx(5.0)


def test_the_first_statement_of_a_session_is_no_reuse() -> None:
    fresh = make_backend(1, query_start=None, query="", state_change=NOW)
    assert watch(poll([fresh]), poll([used(replace(fresh, query="SELECT 1"), 1)], 2)).of(WEB).reuses == 0


def test_a_second_statement_in_a_transaction_is_no_reuse() -> None:
    one = make_backend(1, state=IN_TRANSACTION)
    assert watch(poll([one]), poll([used(one, 1, IN_TRANSACTION)], 2)).of(WEB).reuses == 0


def test_a_restart_begins_anew_and_so_does_going_back() -> None:
    for later in (poll([make_backend(3)], 4, make_server(started_at=NOW)), poll([make_backend(3)], -1)):
        habit = watch(poll([make_backend(1)]), poll([make_backend(2)], 2), later).of(WEB)
        assert habit == Habit(peak=1, since=later.taken_at)


def test_the_same_poll_twice_counts_once() -> None:
    second = poll([make_backend(1), new(2, 1)], 2)
    assert watch(poll([make_backend(1)]), second, second).of(WEB).arrivals == 1


def test_what_ended_together_is_not_held_against_the_pool() -> None:
    many = [make_backend(pid) for pid in range(1, 21)]
    deployed = watch(poll(many), poll(many[1:], 1), poll([], 2)).of(WEB)
    assert (deployed.departures, deployed.left, deployed.since) == (20, (), NOW + 2)
    one_by_one = watch(*(poll(many[count:], count) for count in range(20))).of(WEB)
    assert (len(one_by_one.left), one_by_one.since) == (19, NOW)


def test_hidden_rows_walsenders_and_our_own_are_nobodys_habit() -> None:
    habits = watch(poll([make_hidden(5, app="web", role="app", database="shop")]), poll([make_walsender(6)], 1))
    assert habits.of(WEB).peak == 0
    assert habits.of(Pool("pgtop-conn", "dba", "postgres")) == NO_HABIT


def test_a_session_that_takes_another_name_moves_without_having_begun_or_ended() -> None:
    one = make_backend(1)
    habits = watch(poll([one]), poll([replace(one, app="batch")], 1), poll([], 2))
    assert (habits.of(WEB).departures, habits.of(WEB).peak) == (0, 1)
    batch = habits.of(Pool("batch", "app", "shop"))
    assert (batch.arrivals, batch.departures, batch.peak) == (0, 1, 1)


def test_memory_is_bounded_when_each_session_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EMPTY_POOLS", 10)
    habits = watch(*(poll([make_backend(pid, app=f"job-{pid}")], pid) for pid in range(1, 100)))
    known = [pid for pid in range(1, 100) if habits.of(Pool(f"job-{pid}", "app", "shop")) != NO_HABIT]
    assert known == list(range(89, 100))


@given(st.lists(st.dictionaries(st.integers(1, 8), st.sampled_from([IDLE, ACTIVE])), min_size=1, max_size=12))
def test_counts_are_those_of_a_recount(history: list[dict[int, str]]) -> None:
    rows = {(pid, state): make_backend(pid, state=state) for pid in range(1, 9) for state in (IDLE, ACTIVE)}
    habit = watch(
        *(poll([rows[item] for item in sessions.items()], second) for second, sessions in enumerate(history))
    ).of(WEB)
    pairs = list(pairwise(history))
    assert habit.arrivals == sum(len(after.keys() - before.keys()) for before, after in pairs)
    assert habit.departures == sum(len(before.keys() - after.keys()) for before, after in pairs)
    assert habit.peak == max(map(len, history))
    assert habit.peak_active == max(list(sessions.values()).count(ACTIVE) for sessions in history)
