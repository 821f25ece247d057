"""A verdict on leaks stands for some seconds of the server's clock, and never for a session that was used or ended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history import observation
from pgtop_conn.model.history.observation import LEAKS_EVERY_S, Observation
from pgtop_conn.model.leaks.detection import find_leaks
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ACTIVE, Backend, BackendKey, Snapshot
from pgtop_conn.view.table.groups import group_counts
from tests.support.data.factories import NOW, ROOMY, make_backend, poll

Told = list[tuple[str, set[BackendKey]]]


def lost(pid: int) -> Backend:
    """One of a leak: began ten seconds after the one before, ran one statement, and idles since."""
    start = NOW - 10.0 * pid - 5.0
    return make_backend(
        pid, backend_start=start, query_start=start, state_change=start + 0.01, query="SELECT total FROM invoices"
    )


LOST = [lost(pid) for pid in range(1, 41)]


def told(leaks: tuple[Leak, ...]) -> Told:
    return [(leak.pool.app, set(leak.sessions)) for leak in leaks]


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The instants, after NOW, at which leaks were found."""
    instants: list[float] = []
    find = find_leaks

    def counted(snapshot: Snapshot, *others: object) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
        instants.append(snapshot.taken_at - NOW)
        return find(snapshot, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(observation, "find_leaks", counted)
    return instants


def look(observed: Observation, snapshot: Snapshot) -> tuple[Leak, ...]:
    observed.add(snapshot, SlotBudget.of(snapshot))
    return observed.leaks(snapshot)


def watched() -> Observation:
    """A server that is watched since long before NOW."""
    observed, before = Observation(group_counts), poll([], -120.0)
    observed.add(before, SlotBudget.of(before))
    return observed


def test_a_short_watch_finds_leaks_at_every_poll(finds: list[float]) -> None:
    observed = Observation(group_counts)
    for second in range(6):
        look(observed, poll(LOST, second))
    assert finds == [0, 1, 2, 3, 4, 5]


def test_leaks_are_found_every_few_seconds_of_the_server(finds: list[float]) -> None:
    observed = watched()
    for second in range(13):
        ((app, lost),) = told(look(observed, poll(LOST, second)))
        assert app == "web"
        # The youngest two are too young at first.
        assert {one.key for one in LOST[2:]} <= lost <= {one.key for one in LOST}
    assert finds == [-120, 0, LEAKS_EVERY_S, 2 * LEAKS_EVERY_S]


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(poll(LOST[:9] + LOST[10:], 1.0), id="a session has ended"),
        pytest.param(
            poll([replace(LOST[9], state=ACTIVE, state_change=NOW + 0.5), *LOST[:9], *LOST[10:]], 1.0),
            id="one is used",
        ),
        pytest.param(poll([replace(LOST[9], state_change=NOW + 0.5), *LOST[:9], *LOST[10:]], 1.0), id="one was used"),
        pytest.param(poll(LOST, 1.0, replace(ROOMY, started_at=NOW)), id="the server was started anew"),
        pytest.param(poll(LOST, -1.0), id="the clock was set back"),
    ],
)
def test_they_are_found_at_once_when(later: Snapshot, finds: list[float]) -> None:
    observed = watched()
    look(observed, poll(LOST, 0.0))
    look(observed, later)
    assert finds == [-120, 0, later.taken_at - NOW]


def test_a_verdict_stands_while_its_sessions_idle_on_whatever_else_they_show(finds: list[float]) -> None:
    observed = watched()
    before = look(observed, poll(LOST, 0.0))
    assert look(observed, poll([replace(one, wait_event="ClientRead") for one in LOST], 1.0)) is before
    assert finds == [-120, 0]


def test_a_diagnosis_finds_them_for_its_own_moment(finds: list[float]) -> None:
    observed = watched()
    look(observed, poll(LOST, 0.0))
    later = poll(LOST, 1.0)
    look(observed, later)
    observed.refresh(later)
    assert finds == [-120, 0, 1]


touches = st.tuples(st.sampled_from([0.5, 1.0, 2.0, 6.0]), st.sets(st.integers(1, 50), max_size=3))


@given(st.lists(touches, max_size=8))
def test_a_verdict_is_young_and_of_sessions_that_idle_on(steps: list[tuple[float, set[int]]]) -> None:
    rows = {one.pid: one for one in LOST}
    observed, found_s, after_s = Observation(group_counts), 0.0, 0.0
    last: tuple[Leak, ...] = ()
    for pause_s, touched in steps:
        after_s += pause_s
        used = NOW + after_s - 0.1
        rows |= {pid: replace(lost(pid), query_start=used, state_change=used) for pid in touched}
        leaks = look(observed, poll(list(rows.values()), after_s))
        if leaks is not last:
            last, found_s = leaks, after_s
        elif leaks:
            assert after_s - found_s < LEAKS_EVERY_S
        for leak in leaks:
            assert all((rows[key.pid].state_change or 0.0) <= NOW + found_s - 0.05 for key in leak.sessions)
            assert not touched.intersection(key.pid for key in leak.sessions)
