"""What the screen shows, without a screen: which poll, with which tags, how old, and in what words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.errors import Failure, PgtopError, PollFailed, SlotsExhausted, SourceLost
from pgtop_conn.model.facts import NO_FACTS
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.labels.labels import labels_of
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.state import SLOW_ANSWER_S, MonitorState, Terms
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot


class Clock:
    """Seconds that a test lets go by."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def seen(count: int, at: float = NOW, app: str = "web") -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid, app=app) for pid in range(1, count + 1))], taken_at=at)


def state_of(*polls: Snapshot, terms: Terms | None = None, clock: Clock | None = None) -> MonitorState:
    state = MonitorState(ViewState(), terms or Terms(Policy()), clock or Clock())
    for poll in polls:
        state.take(poll)
    return state


def look_back(state: MonitorState, snapshot: Snapshot) -> None:
    state.look_back(Moment(snapshot, ()), Observation(state.counts))


# Which poll.


def test_nothing_is_shown_before_the_first_poll() -> None:
    state = state_of()
    assert (state.shown, state.told, state.frame(), state.gauges(ScreenStatus(None)), state.case(NO_FACTS)) == (
        None,
    ) * 5


def test_a_pause_holds_the_table_and_not_the_figures() -> None:
    first, second = seen(1), seen(2, NOW + 2)
    state = state_of(first)
    state.pause()
    state.take(second)
    assert (state.shown, state.told) == (first, second)
    state.pause()
    assert state.shown is second


def test_an_earlier_moment_is_shown_in_place_of_both() -> None:
    first, second, third = seen(1), seen(2, NOW + 2), seen(3, NOW + 4)
    state = state_of(first, second)
    state.pause()
    look_back(state, first)
    state.take(third)
    assert state.shown is state.told is first
    assert state.newest is third
    state.leave_past()
    assert (state.shown, state.told) == (second, third)


def test_tags_are_those_of_the_poll_that_is_shown() -> None:
    terms = Terms(Policy(), labels=labels_of({"Shop": "app:web"}))
    first = seen(1)
    state = state_of(first, terms=terms)
    state.pause()
    held = state.shown_tags
    state.take(seen(1, NOW + 2, app="other"))
    assert state.shown_tags is held
    assert state.told_tags is state.tags
    assert state.tags is not held
    look_back(state, first)
    assert state.past is not None
    assert state.shown_tags is state.told_tags is state.past.tags


class Step(StrEnum):
    TAKE = "take"
    PAUSE = "pause"
    BACK = "look back"
    NOW = "back to now"


@given(st.lists(st.sampled_from(Step), max_size=30))
def test_whatever_was_pressed_the_figures_are_the_newest_unless_it_looks_back(steps: Sequence[Step]) -> None:
    polls = [seen(1)]
    state = state_of(polls[0])
    held: Snapshot | None = None
    for step in steps:
        if step is Step.TAKE:
            polls.append(seen(len(polls) % 3, NOW + 2.0 * len(polls)))
            state.take(polls[-1])
        elif step is Step.PAUSE:
            held = None if held is not None else polls[-1]
            state.pause()
        elif step is Step.BACK:
            look_back(state, polls[0])
        else:
            state.leave_past()
        assert state.newest is polls[-1]
        assert state.told is (polls[0] if state.past is not None else polls[-1])
        assert state.shown is (held if held is not None and state.past is None else state.told)
        frame = state.frame()
        assert frame is not None
        assert frame.snapshot is state.shown
        assert frame.tags is state.shown_tags


# How old, and what went wrong.


def test_data_are_stale_from_a_failure_to_the_next_good_poll() -> None:
    clock = Clock()
    state = state_of(seen(1), clock=clock)
    assert state.stale_s(None, 2.0) is None
    state.fail(SourceLost("server went away"))
    clock.now += 75.0
    assert state.stale_s(None, 2.0) == 75.0
    assert (state.trouble, state.connected) == ("reconnecting: server went away", False)
    state.take(seen(2, NOW + 80))
    assert (state.stale_s(None, 2.0), state.trouble, state.connected) == (None, "", True)


@pytest.mark.parametrize("interval_s", [2.0, 60.0])
def test_a_question_that_is_open_for_long_makes_them_stale(interval_s: float) -> None:
    clock = Clock()
    state = state_of(seen(1), clock=clock)
    asked = clock.now
    clock.now += max(SLOW_ANSWER_S, interval_s)
    assert state.stale_s(asked, interval_s) is None
    clock.now += 0.1
    assert state.stale_s(asked, interval_s) == clock.now - asked
    assert state.status(ScreenStatus(interval_s), asked).trouble == "the server has not answered yet"


def test_a_poll_that_failed_keeps_the_session() -> None:
    state = state_of(seen(1))
    state.fail(PollFailed("canceling statement due to statement timeout"))
    assert state.connected
    assert state.trouble.startswith("asking again: ")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SlotsExhausted("sorry, too many clients already", failure=Failure.FULL), True),
        (SlotsExhausted("too many connections for role", failure=Failure.OURS), False),
        (SourceLost("sorry, too many clients already"), False),
    ],
)
def test_a_full_server_that_had_room_is_explained(error: PgtopError, told: bool) -> None:
    clock = Clock()
    state = state_of(seen(1), clock=clock)
    clock.now += 3.0
    state.fail(error)
    assert ("were free 3 s ago" in state.trouble) is told
    before = state_of()
    before.fail(error)
    assert "were free" not in before.trouble


# In what words.


def test_the_status_tells_of_pause_past_and_read_only() -> None:
    state = state_of(seen(1), seen(2, NOW + 2), terms=Terms(Policy(read_only=True)))
    status = state.status(ScreenStatus(2.0, recording=True), None)
    assert (status.paused, status.read_only, status.back, status.recording) == (False, True, None, True)
    state.pause()
    look_back(state, seen(1))
    status = state.status(ScreenStatus(2.0), None)
    assert status.paused
    assert status.back is not None
    assert status.back.seconds == 2.0
    assert status.back.now.used == state.budget(seen(2)).used


def test_gauges_are_of_the_moment_that_is_told() -> None:
    first = seen(1)
    state = state_of(first, seen(3, NOW + 2))
    look_back(state, first)
    told = state.gauges(ScreenStatus(2.0))
    assert told is not None
    assert told.snapshot is first
    assert told.budget.used == state.budget(first).used
    assert told.history is state.told_observation.history
    assert state.told_observation is not state.observation
    case = state.case(NO_FACTS)
    assert case is not None
    assert case.snapshot is first
    assert case.observation is state.told_observation


def test_a_filter_leaves_the_choice_of_leaks_unless_it_says() -> None:
    state = state_of(seen(1))
    state.choose(parse("app:web"), leaks_only=True)
    state.choose(parse("app:job"))
    assert (state.view.filter.text, state.view.leaks_only) == ("app:job", True)
    state.choose(parse(""), leaks_only=False)
    assert state.view.choice == ""


def test_growth_is_of_the_application_and_walsenders_have_none() -> None:
    state = state_of(*(seen(count, NOW + 10.0 * count) for count in range(1, 12)))
    growth = state.growth_of("web")
    assert growth == pytest.approx(6.0, rel=0.2)
    told = state.gauges(ScreenStatus(2.0))
    assert told is not None
    group, rate = told.largest
    assert group is not None
    assert rate == pytest.approx(growth)


def test_sessions_that_are_ended_by_us_are_no_sign_of_a_pool() -> None:
    """The observation hears of them before they go; nothing else of the state changes."""
    first = seen(3)
    state = state_of(first)
    before = (state.view, state.newest, state.leaks)
    state.ending(one.key for one in first.backends)
    assert (state.view, state.newest, state.leaks) == before
