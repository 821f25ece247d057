"""Feeds: the pace of polls, stepping back to those that were kept, and a recording that plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pgtop_conn.model.errors import PgtopError, PollFailed, SourceLost
from pgtop_conn.model.history.moments import Mark, Moment
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.dialogs.go_to_time import GoToTime
from pgtop_conn.tui.keys.replay import KEYS, LEFT_OUT
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen import time_travel
from pgtop_conn.tui.screen.live_feed import INTERVALS_S, READ_ONLY, LiveFeed
from pgtop_conn.tui.screen.replay_feed import RECORDED, ReplayFeed
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.data.tapes import ListTape
from tests.support.fake_desk import FakeDesk, desk_of
from tests.support.fake_source import FakeSource, until


def seen(count: int, at: float) -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid) for pid in range(1, count + 1))], taken_at=NOW + at)


POLLS = [seen(count, 2.0 * count) for count in range(5)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before a moment is read as soon as it is shown."""
    monkeypatch.setattr(time_travel, "SETTLED_S", 0.0)


class Broken(ListTape):
    """A tape of which these moments can't be read."""

    def __init__(self, snapshots: Sequence[Snapshot], *damaged: int) -> None:
        super().__init__(snapshots)
        self.damaged = damaged

    def moment(self, index: int) -> Moment:
        if index in self.damaged:
            raise PgtopError("the block is damaged")
        return super().moment(index)


def live(
    ring: ListTape | None, *, pending: int = 0, policy: Policy | None = None, interval_s: float = 2.0
) -> tuple[LiveFeed, FakeDesk, FakeSource]:
    state, desk = desk_of(None, policy=policy)
    source = FakeSource()
    options = ScreenOptions(first=POLLS[-1], ring=ring, interval_s=interval_s)
    feed = LiveFeed(state, desk, source, options, lambda: pending)
    desk.polled(POLLS[-1])
    return feed, desk, source


# Live.


async def test_polls_come_in_and_failures_keep_what_is_known() -> None:
    feed, desk, source = live(None, interval_s=0.0)
    feed.begin()
    source.give(SourceLost("server went away"))
    await until(lambda: not desk.state.connected)
    assert desk.state.newest is POLLS[-1]
    assert desk.drawn[-1] == "gauges"
    feed.refresh()
    source.give(seen(1, 20.0))
    await until(lambda: desk.state.connected)
    source.give(PollFailed("canceled"))
    await until(lambda: desk.state.trouble.startswith("asking again"))
    await feed.poller.stop(0.0)


def test_the_interval_goes_from_step_to_step_and_no_further() -> None:
    feed, desk, _ = live(None)
    for step, end in ((1, INTERVALS_S[-1]), (-1, INTERVALS_S[0])):
        for _ in range(len(INTERVALS_S) + 1):
            feed.pace(step)
        assert feed.interval_s == end
    feed.interval_s = 3.0
    feed.pace(1)
    assert feed.interval_s == 5.0
    assert desk.drawn[-1] == "gauges"


@pytest.mark.parametrize(("pending", "interval_s", "expected"), [(0, 30.0, 30.0), (1, 30.0, 0.5), (1, 0.25, 0.25)])
def test_polls_hurry_while_an_end_is_awaited(pending: int, interval_s: float, expected: float) -> None:
    feed, _, _ = live(None, pending=pending, interval_s=interval_s)
    assert feed.next_interval_s() == expected


def test_read_only_has_no_keys_that_signal_and_says_so() -> None:
    feed, _, _ = live(None, policy=Policy(read_only=True))
    assert feed.refusal == READ_ONLY
    assert feed.remark == f"{READ_ONLY}."
    assert not {"cancel", "terminate", "free"} & {one.id for one in feed.bindings}
    assert feed.keys(list(feed.bindings)) == (list(feed.bindings), ())


async def test_stepping_back_shows_each_moment_and_ends_at_the_oldest() -> None:
    ring = ListTape(POLLS)
    feed, desk, _ = live(ring)
    assert (feed.index, feed.tape) == (4, ring)
    for index in (3, 2, 1, 0):
        feed.step(-1)
        assert desk.state.told is POLLS[index]
        assert feed.index == index
    feed.step(-1)
    assert desk.told[-1] == ("This is the oldest moment that is kept", "warning")
    assert desk.state.told is POLLS[0]
    feed.pause()
    assert "holds still anyway; <live> goes back to live" in desk.said
    assert not feed.held
    feed.last()
    assert desk.state.past is None
    assert ring.rested == 1


async def test_what_came_before_is_read_for_the_moment_that_is_still_shown() -> None:
    feed, desk, _ = live(ListTape(POLLS))
    feed.step(-1)
    first = desk.state.past
    await desk.finished("relive")
    assert desk.state.past is not first
    assert desk.state.told is POLLS[3]
    feed.step(-1)
    relived = desk.tasks["relive"]
    feed.last()
    await asyncio.wait({relived})
    assert relived.cancelled()
    assert desk.state.past is None


async def test_the_newest_moment_is_now() -> None:
    feed, desk, _ = live(ListTape(POLLS))
    feed.go_to(NOW + 2.0)
    assert desk.state.told is POLLS[1]
    feed.go_to(NOW + 100.0)
    assert desk.state.past is None
    feed.last()
    assert desk.table.current == desk.table.lines[-1]
    desk.end("relive")


def test_without_a_ring_there_is_nothing_to_go_back_to() -> None:
    feed, desk, _ = live(None)
    assert (feed.tape, feed.index) == (None, None)
    feed.step(-1)
    assert desk.told == [("Nothing is kept to step back to", "warning")]
    feed.go_to(NOW)
    assert not feed.travel.go_to_moment(0)


async def test_a_moment_that_cannot_be_read_is_said_and_the_screen_stays() -> None:
    feed, desk, _ = live(Broken(POLLS, 3))
    feed.step(-1)
    assert desk.told == [("That moment can't be shown: the block is damaged", "warning")]
    assert desk.state.past is None
    feed.pause()
    assert feed.held
    feed.pause()
    assert not feed.held


# A recording.


def replay(tape: ListTape, remark: str = "") -> tuple[ReplayFeed, FakeDesk]:
    state, desk = desk_of(None, policy=Policy())
    feed = ReplayFeed(state, desk, tape, ScreenOptions(tape=tape, tape_remark=remark))
    feed.begin()
    feed.player.play(False)
    return feed, desk


async def left(feed: ReplayFeed, desk: FakeDesk) -> None:
    await feed.poller.stop(0.0)
    for task in desk.tasks.values():
        task.cancel()


async def test_a_recording_begins_at_its_first_moment_and_says_its_remark() -> None:
    feed, desk = replay(ListTape(POLLS), "The recording is cut short")
    assert desk.told == [("The recording is cut short", "warning")]
    assert (feed.index, desk.state.newest, feed.held) == (0, POLLS[0], True)
    assert feed.refusal == RECORDED
    shown = {one.id for one in feed.bindings}
    assert {one.id for one in KEYS} <= shown
    assert not LEFT_OUT & shown
    await left(feed, desk)


def test_a_recording_whose_first_moment_is_damaged_is_none() -> None:
    with pytest.raises(PgtopError, match="damaged"):
        replay(Broken(POLLS, 0))


async def test_steps_stay_inside_and_hold_still() -> None:
    feed, desk = replay(ListTape(POLLS))
    feed.step(-1)
    assert desk.said == "This is the beginning of the recording"
    feed.player.play(True)
    feed.step(1)
    assert (feed.index, feed.held, desk.state.newest) == (1, True, POLLS[1])
    feed.last()
    assert feed.index == 4
    feed.step(1)
    assert (feed.index, desk.said) == (4, "This is its end")
    feed.go_to(NOW + 4.1)
    assert feed.index == 2
    await left(feed, desk)


async def test_play_goes_on_and_at_the_end_begins_anew() -> None:
    feed, desk = replay(ListTape(POLLS))
    feed.last()
    feed.pause()
    assert (feed.index, feed.held) == (0, False)
    feed.pause()
    assert feed.held
    before = feed.player.speed
    feed.pace(1)
    assert feed.player.speed > before
    feed.refresh()
    await left(feed, desk)


async def test_signals_and_peaks_are_gone_to_or_said_to_be_none() -> None:
    tape = ListTape([seen(count, 2.0 * index) for index, count in enumerate((1, 2, 9, 3, 1))])
    feed, desk = replay(tape)
    feed.signal(1)
    assert desk.said == "No signal was sent"
    tape.mark(Mark(NOW + 5.0, "terminate", 1, "app", "web", "gone", "marks"))
    feed.signal(1)
    assert feed.index in (2, 3)
    feed.signal(1)
    assert desk.said == "No further signal that way"
    feed.step(-4)
    feed.peak(1)
    assert feed.index == 2
    feed.peak(1)
    assert desk.said == "No further peak that way"
    await left(feed, desk)


async def test_a_time_is_asked_for_and_gone_to() -> None:
    feed, desk = replay(ListTape(POLLS))
    feed.jump()
    assert isinstance(desk.dialog, GoToTime)
    desk.answer(3)
    assert feed.index == 3
    feed.jump()
    desk.answer(None)
    assert feed.index == 3
    await left(feed, desk)


async def test_what_came_before_a_jump_is_read_and_shown() -> None:
    feed, desk = replay(ListTape(POLLS))
    feed.go_to(NOW + 8.0)
    feed.step(-2)
    await desk.finished("relive")
    known = desk.state.observation
    assert [at - NOW for at, _ in known.history.points()] == [0.0, 2.0, 4.0]
    assert desk.drawn[-1] in ("table", "keys")
    await left(feed, desk)


async def test_a_moment_of_a_recording_that_cannot_be_read_is_said() -> None:
    feed, desk = replay(Broken(POLLS, 2))
    feed.go_to(NOW + 4.0)
    assert desk.said == "A moment can't be shown: the block is damaged"
    assert desk.state.newest is POLLS[0]
    await left(feed, desk)


async def test_the_key_line_tells_where_the_recording_is() -> None:
    feed, desk = replay(ListTape(POLLS))
    keys, before = feed.keys(list(feed.bindings))
    assert "held" in "".join(cell.text for cell in before)
    assert {"pause", "replay_jump", "help", "quit"} <= {one.id for one in keys}
    assert "terminate" not in {one.id for one in keys}
    await left(feed, desk)
