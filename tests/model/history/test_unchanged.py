"""Whether an unchanged session is the same object in two polls, or an equal one, makes no difference to what is learnt.

Polls of a real source share the rows that did not change, and what is learnt from them goes by that.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.leaks.habits import Habits, Pool
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ACTIVE, IDLE, IN_TRANSACTION, Backend, Snapshot
from tests.support.data.factories import NOW, make_backend, make_hidden, make_own, make_snapshot

APPS = ("web", "jobs", "psql", "pgtop-conn")
STATES = (IDLE, IDLE, IN_TRANSACTION, ACTIVE)

#: For each session of a poll its pid: which application it is, whether it began anew, and what it did last.
Made = dict[int, tuple[int, int, int]]

polls_made = st.lists(
    st.dictionaries(
        st.integers(1, 24), st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 7)), max_size=24
    ),
    min_size=1,
    max_size=6,
)


def row(pid: int, app: int, start: int, use: int) -> Backend:
    if app == len(APPS):
        return make_hidden(pid)
    begun = NOW - 250.0 + 10.0 * pid + start
    used = begun + 0.5 + 20.0 * (use // 4)
    state = STATES[use % 4]
    return make_backend(pid, backend_start=begun, app=APPS[app], state=state, query_start=used, state_change=used + 0.1)


def polls(made: list[Made], *, shared: bool) -> list[Snapshot]:
    """The polls, with unchanged rows shared or each row made anew."""
    known: dict[tuple[int, int, int, int], Backend] = {}
    found = []
    for number, sessions in enumerate(made):
        rows = [known.setdefault((pid, *of), row(pid, *of)) for pid, of in sessions.items()]
        rows = rows if shared else [replace(one) for one in rows]
        found.append(make_snapshot([make_own(), *rows], taken_at=NOW + 2.0 * number))
    return found


def learnt(snapshots: list[Snapshot]) -> list[object]:
    """After each poll the habits of every pool, and the leaks."""
    observation = Observation(lambda _: {})
    found: list[object] = []
    for snapshot in snapshots:
        observation.add(snapshot, SlotBudget.of(snapshot))
        observation.refresh(snapshot)
        leaks = (*observation.leaks(snapshot), *observation.suspects(snapshot))
        known = [observation.habits.of(Pool(app, "app", "shop")) for app in APPS]
        found.append((known, [(leak.pool, leak.score, leak.evidence, leak.sessions) for leak in leaks]))
    return found


@given(polls_made)
def test_habits_and_leaks(made: list[Made]) -> None:
    assert learnt(polls(made, shared=True)) == learnt(polls(made, shared=False))


@given(polls_made)
def test_sessions_and_who_came_and_left(made: list[Made]) -> None:
    """Counted from nothing but the two polls."""
    habits, seen = Habits(), polls(made, shared=True)
    came, left = dict.fromkeys(APPS, 0), dict.fromkeys(APPS, 0)
    for before, now in zip([None, *seen], seen, strict=False):
        habits.add(now)
        if before is not None:
            for app in APPS:
                came[app] += sum(one.app == app for key, one in now.by_key.items() if key not in before.by_key)
                left[app] += sum(one.app == app for key, one in before.by_key.items() if key not in now.by_key)
    for app in ("jobs", "psql"):
        habit = habits.of(Pool(app, "app", "shop"))
        assert (habit.arrivals, habit.departures) == (came[app], left[app])


def test_a_leak_is_found_among_shared_rows() -> None:
    """Else nothing is compared above."""
    made = [{pid: (0, 0, 0) for pid in range(1, 20 + number)} for number in range(6)]
    observation, snapshots = Observation(lambda _: {}), polls(made, shared=True)
    for snapshot in snapshots:
        observation.add(snapshot, SlotBudget.of(snapshot))
    assert [leak.pool.app for leak in observation.leaks(snapshots[-1])] == ["web"]
