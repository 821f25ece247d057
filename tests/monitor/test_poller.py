"""The poll loop: stale data, recovery, pause, the interval, and leaving."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.worker import WorkerFailed

from pgtop_conn.model.errors import ConnectError, Failure, PgtopError, PollFailed, SourceLost
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor import state
from pgtop_conn.monitor.pacing import (
    BACK_OFF_MOST_S,
    BACK_OFF_REFUSED_S,
    SHARE_MOST,
    STRETCHED_LEAST,
    STRETCHED_MOST_S,
    back_off_s,
    stretched_s,
)
from pgtop_conn.monitor.poller import Poller
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import FakeSource, cursor_pid, monitor, on_main, screen_text, toasts, until

VIEW = ViewState(grouping="role", expanded=frozenset({("app",)}), filter=parse("state:idle"))


def seen(*pids: int, at: float = NOW) -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid) for pid in pids)], taken_at=at)


async def test_without_a_first_snapshot_it_says_that_it_waits() -> None:
    async with monitor() as (app, source, pilot):
        assert "waiting for the first answer" in "\n".join(screen_text(app))
        await pilot.press("x", "c", "b", "space", "enter", "s", "tab", "p", "y", "Y", "left", "right", "G")
        assert on_main(app)
        await source.tick(pilot, seen(1, 2))
        assert "2/100" not in screen_text(app)[0]
        assert "3/100" in screen_text(app)[1]


async def test_the_first_frame_shows_the_snapshot_that_was_already_read() -> None:
    async with monitor(seen(1, 2)) as (app, source, _pilot):
        assert source.polls == 0
        assert "3/100" in screen_text(app)[1]


@pytest.mark.parametrize(
    "error",
    [SourceLost("server went away"), PollFailed("timeout"), ConnectError("refused", failure=Failure.UNREACHABLE)],
)
async def test_trouble_keeps_the_data_the_marks_and_the_view(error: PgtopError) -> None:
    async with monitor(seen(1, 2), view=VIEW) as (app, source, pilot):
        await pilot.press("down", "space")
        marks = app.main.state.view
        await source.tick(pilot, error)
        text = screen_text(app)
        assert "STALE" in text[0]
        assert str(error) in text[4]
        # A PollFailed leaves the session alive.
        assert ("asking again" if isinstance(error, PollFailed) else "reconnecting") in text[4]
        assert any("●1" in line for line in text)
        await pilot.press("r")
        await source.tick(pilot, seen(1, 2, 3, at=NOW + 9))
        text = screen_text(app)
        assert "STALE" not in text[0]
        assert "reconnecting" not in text[4]
        assert "4/100" in text[1]
        assert app.main.state.view == marks
        assert cursor_pid(app) == 1


async def test_the_age_of_stale_data_grows_every_second() -> None:
    async with monitor(seen(1)) as (app, source, pilot):
        await source.tick(pilot, SourceLost("server went away"))
        stopped = monotonic()
        app.main.state.clock = lambda: stopped
        app.main.state.good_at = stopped - 75.0
        app.main.tick()
        await pilot.pause()
        assert "STALE 1m15" in screen_text(app)[0]


async def test_an_answer_that_does_not_come_makes_the_data_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SLOW_ANSWER_S", 4.0)
    async with monitor(seen(1)) as (app, _source, pilot):
        await until(lambda: app.main.feed.poller.asking_since is not None)
        stopped = monotonic()
        app.main.state.clock = lambda: stopped
        app.main.feed.poller.asking_since = app.main.state.good_at = stopped - 30.0
        app.main.tick()
        await pilot.pause()
        text = screen_text(app)
        assert "STALE 30s" in text[0]
        assert "not answered" in text[4]


async def test_pause_holds_the_table_and_never_the_gauges() -> None:
    async with monitor(seen(1, 2), view=ViewState(grouping="role", expanded=frozenset({("app",)}))) as (
        app,
        source,
        pilot,
    ):
        await pilot.press("p")
        await source.tick(pilot, seen(1, 2, 3, at=NOW + 1))
        text = screen_text(app)
        assert "PAUSED" in text[0]
        assert "4/100" in text[1]
        assert len(app.main.table.lines) == 5
        await pilot.press("p")
        text = screen_text(app)
        assert "PAUSED" not in text[0]
        assert len(app.main.table.lines) == 6


async def test_the_interval_goes_in_steps_and_is_shown() -> None:
    async with monitor(seen(1), interval_s=2.0) as (app, _source, pilot):
        await pilot.press("plus")
        assert app.main.feed.interval_s == 5.0
        assert "every 5 s" in screen_text(app)[0]
        await pilot.press("minus", "minus", "minus", "minus", "minus", "minus")
        assert app.main.feed.interval_s == 0.25
        for _ in range(9):
            await pilot.press("plus")
        assert app.main.feed.interval_s == 60.0


async def test_r_asks_at_once() -> None:
    async with monitor(seen(1), interval_s=60.0) as (app, source, pilot):
        assert source.asking == 0
        await pilot.press("r")
        await until(lambda: source.asking == 1)
        await source.tick(pilot, seen(1, 2, at=NOW + 1))
        assert "3/100" in screen_text(app)[1]
        assert source.asking == 0


async def test_no_two_questions_at_once_however_often_r_is_pressed() -> None:
    async with monitor(seen(1)) as (_app, source, pilot):
        await pilot.press("r", "r", "plus", "minus", "r")
        await source.tick(pilot, seen(1))
        await source.tick(pilot, seen(1))
        assert source.most_asking == 1


async def test_the_poller_backs_off_and_recovers() -> None:
    source = FakeSource()
    told: list[Snapshot | PgtopError] = []
    poller = Poller(source, lambda: 0.0, told.append, told.append)
    task = asyncio.create_task(poller.run())
    for answer in (SourceLost("one"), SourceLost("two"), seen(1)):
        await until(lambda: source.asking == 1)
        source.give(answer)
        done = len(told)
        await until(partial(lambda before: len(told) > before, done))
        poller.wake()
    assert [str(told[0]), str(told[1])] == ["one", "two"]
    assert isinstance(told[2], Snapshot)
    await poller.stop(patience_s=0.0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.asking == 0


def test_back_off_grows_to_its_limit_with_jitter() -> None:
    longest = [back_off_s(failures, 1.0) for failures in range(1, 12)]
    assert longest[0] == 0.5
    assert longest == sorted(longest)
    assert longest[-1] == BACK_OFF_MOST_S
    assert back_off_s(20, 0.0) == BACK_OFF_MOST_S / 2
    assert back_off_s(20, 1.0, BACK_OFF_REFUSED_S) == BACK_OFF_REFUSED_S


@given(st.floats(0.25, 60.0), st.floats(0.0, 60.0), st.floats(0.0, 1000.0))
def test_an_interval_is_only_ever_stretched_and_leaves_the_server_its_time(
    interval_s: float, before_s: float, took_s: float
) -> None:
    longer_s = stretched_s(interval_s, before_s, took_s)
    assert interval_s <= longer_s <= STRETCHED_MOST_S
    assert longer_s <= 2 * max(before_s, interval_s)
    for _ in range(9):
        longer_s = stretched_s(interval_s, longer_s, took_s)
    assert min(took_s / SHARE_MOST, STRETCHED_MOST_S) <= longer_s * STRETCHED_LEAST


def test_it_goes_step_by_step_and_back() -> None:
    longer_s, shown = 2.0, []
    for took_s in (0.1, 0.5, 0.8, 0.5, 0.1, 0.1, 0.1):
        longer_s = stretched_s(2.0, longer_s, took_s)
        shown.append(longer_s)
    assert shown == [2.0, 4.0, 8.0, 5.0, 2.5, 2.0, 2.0]


def test_a_tenth_of_the_interval_is_no_slow_answer_and_more_is_one() -> None:
    assert stretched_s(2.0, 2.0, 0.2) == 2.0
    assert stretched_s(2.0, 2.0, 0.25) == 2.5


async def test_slow_answers_stretch_the_interval_and_the_screen_says_so() -> None:
    async with monitor(seen(1), interval_s=0.25, size=(80, 24)) as (app, source, pilot):
        for number in range(3):
            await until(lambda: source.asking == 1)
            await asyncio.sleep(0.15)
            await source.tick(pilot, seen(1))
            # One of them alone is an accident.
            assert ("stretched" in screen_text(app)[0]) is (number > 0)
        assert "every 0.25 s, stretched to " in screen_text(app)[0]
        assert ": slow answers" in screen_text(app)[0]

        def normal() -> bool:
            return "every 0.25 s  " in screen_text(app)[0]

        await source.serve(pilot, seen(1), normal)


async def test_an_answer_after_leaving_shows_nothing() -> None:
    async with monitor(seen(1)) as (app, source, pilot):
        await until(lambda: source.asking == 1)
        await pilot.press("q")
    await app.finish()
    assert source.asking == 0
    assert app.main.state.newest is not None


async def test_an_unexpected_error_is_one_line_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "hunter2"

    async def failing() -> None:
        async with monitor(seen(1)) as (_app, source, pilot):
            source.give(KeyError(secret))
            await until(lambda: source.polls == 1)
            await pilot.pause()

    with pytest.raises(WorkerFailed):
        await failing()
    printed = capsys.readouterr().err
    assert "unexpected KeyError" in printed
    assert secret not in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


async def test_marks_of_another_view_survive_a_restart_of_the_server() -> None:
    async with monitor(seen(1, 2), view=VIEW) as (app, source, pilot):
        await pilot.press("down", "space")
        await source.tick(pilot, SourceLost("restart"))
        await pilot.press("r")
        restarted = replace(make_backend(1, backend_start=NOW + 5))
        await source.tick(pilot, make_snapshot([restarted], taken_at=NOW + 9))
        assert len(app.main.state.view.marks) == 1
        assert app.main.table.current is None
        await pilot.press("x")
        assert on_main(app)
        assert app.main.state.view.marks == {}
        assert "1 marked session no longer listed" in toasts(app)
