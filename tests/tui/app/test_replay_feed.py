"""The screen on a recording: every frame as it was, moving in time, and nothing sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pgtop_conn.model.history import observation
from pgtop_conn.model.history.moments import Mark
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.snapshot import Counters, Snapshot
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.recording.ring import Ring
from pgtop_conn.tui.dialogs.go_to_time import GoToTime
from pgtop_conn.tui.screen import time_travel
from pgtop_conn.tui.screen.live_feed import LiveFeed
from pgtop_conn.tui.screen.replay_feed import ReplayFeed
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.crowds import POLLS, seen
from tests.support.data.factories import NOW, make_backend, make_own, make_role, make_server, make_snapshot
from tests.support.data.fields import BackendFields
from tests.support.data.tapes import ListTape
from tests.support.fake_source import monitor, on_main, screen_text, settled, toasts, until

#: Keys between the polls of the scripted run.
SCRIPT = (("down",), ("right",), ("s", "s"), ("tab",), ("S",), ("tab", "end"), ("b", "escape"), ("left",))


def polls() -> list[int]:
    return [3, 10, 40, 20, 25, 30, 12, 50, 49]


def written(tape: ListTape, path: Path) -> Recording:
    """The same in a file, read again."""
    recorder = Recorder.open(path)
    for moment, totals in zip(tape.moments, tape.totals, strict=True):
        recorder.add(moment, totals)
    recorder.close()
    return Recording.open(path)


async def test_every_frame_of_a_replay_is_the_live_frame(tmp_path: Path) -> None:
    ring, live = ListTape(), []
    run = [seen(count, NOW + 10.0 * index) for index, count in enumerate(polls())]
    async with monitor(run[0], ring=ring, interval_s=2.0) as (app, source, pilot):
        app.main.feed.interval_s = 0.0
        live.append(screen_text(app)[:-1])
        for poll, keys in zip(run[1:], SCRIPT, strict=True):
            await pilot.press(*keys)
            await source.tick(pilot, poll)
            live.append(screen_text(app)[:-1])
    replayed = []
    recording = written(ring, tmp_path / "run.pgtop")
    async with monitor(tape=recording, interval_s=2.0) as (app, _source, pilot):
        app.main.feed.interval_s = 0.0
        await pilot.press("p")
        replayed.append(screen_text(app)[:-1])
        # In a replay End is a time; the last line is G's.
        for keys in SCRIPT:
            await pilot.press(*("G" if key == "end" else key for key in keys), "right_square_bracket")
            await pilot.pause()
            replayed.append(screen_text(app)[:-1])
    await recording.close()
    assert replayed == live


async def test_a_replay_plays_by_itself_and_ends() -> None:
    tape = ListTape([seen(count, NOW + 0.1 * count) for count in range(5)])
    async with monitor(tape=tape) as (app, _source, _pilot):
        replay = app.main.feed
        assert isinstance(replay, ReplayFeed)
        await until(lambda: not replay.player.playing, 10)
        assert "5/100" in screen_text(app)[1]
        assert " end " in screen_text(app)[-1]


async def test_what_would_end_a_session_says_that_this_is_a_recording() -> None:
    async with monitor(tape=ListTape(POLLS)) as (app, source, pilot):
        await pilot.press("p")
        for key in ("x", "c", "f"):
            await pilot.press(key)
            assert on_main(app)
        assert "This is a recording" in toasts(app)
        assert not source.signals
        await pilot.press("question_mark")
        await pilot.pause()
        text = "\n".join(screen_text(app))
        assert "Time of the recording" in text
        assert "End sessions" not in text
        assert "Ask the server now" not in text


async def test_signals_and_peaks_are_gone_to_and_hold_the_replay() -> None:
    tape = ListTape(POLLS)
    tape.mark(Mark(at=NOW + 5.0, action="terminate", pid=1, role="r", app="a", outcome="gone", chosen_by="the cursor"))
    async with monitor(tape=tape) as (app, _source, pilot):
        await pilot.press("n")
        assert "21/100" in screen_text(app)[1]
        assert " end " in screen_text(app)[-1]
        await pilot.press("n")
        assert "No further signal" in toasts(app)
        await pilot.press("M")
        assert "41/100" in screen_text(app)[1]
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert "beginning" in toasts(app)
        await pilot.press("end")
        assert "21/100" in screen_text(app)[1]


@pytest.mark.parametrize(("typed", "used"), [("100%", "21/100"), ("+2s", "11/100"), ("-1h", "4/100")])
async def test_a_typed_time_is_gone_to(typed: str, used: str) -> None:
    async with monitor(tape=ListTape(POLLS)) as (app, _source, pilot):
        await pilot.press("p", "t")
        await until(lambda: isinstance(app.screen, GoToTime))
        await pilot.pause()
        await pilot.press(*typed, "enter")
        await pilot.pause()
        assert on_main(app)
        assert used in screen_text(app)[1]


async def test_what_is_no_time_is_said_and_the_question_stays() -> None:
    async with monitor(tape=ListTape(POLLS)) as (app, _source, pilot):
        await pilot.press("p", "t")
        await until(lambda: isinstance(app.screen, GoToTime))
        await pilot.pause()
        await pilot.press("x", "enter")
        await pilot.pause()
        assert isinstance(app.screen, GoToTime)
        assert "expected a time" in "\n".join(screen_text(app))
        await pilot.press("escape")


async def test_speeds_are_shown() -> None:
    async with monitor(tape=ListTape(POLLS)) as (app, _source, pilot):
        await pilot.press("p", "plus", "plus")
        assert "4×" in screen_text(app)[-1]
        await pilot.press("minus", "minus", "minus")
        assert "0.5×" in screen_text(app)[-1]


async def test_a_replay_that_plays_can_be_left() -> None:
    async with monitor(tape=ListTape(POLLS)) as (app, _source, pilot):
        await pilot.press("p")
        await app.finish()


LEAKED = frozenset(range(200, 206))


def rich(index: int) -> Snapshot:
    """Poll `index` of a run: an application leaks, a blocker comes and goes, limits fill, the server restarts."""
    at = NOW + 2.0 * index
    restarted = index >= RESTART
    rows = [make_own()]
    for pid in sorted(LEAKED) + list(range(300, 300 + index // 3)):
        rows.append(
            make_backend(pid, app="billing", role="reporting", role_oid=20_001, state_change=NOW - 3600.0 + pid)
        )
    for pid in range(400, 412 + index % 5):
        busy = (pid + index) % 4 == 0
        state = "active" if busy else "idle"
        rows.append(make_backend(pid, app="web", state=state, query_start=at - 1.0, state_change=at - 1.0))
    if index % 9 < 5:
        waits: BackendFields = {
            "app": "web",
            "state": "active",
            "wait_event_type": "Lock",
            "wait_event": "transactionid",
            "blocked_by": (500,),
        }
        rows.append(make_backend(500, app="etl", state="idle in transaction", xact_start=at - 90.0, wrote=True))
        rows += [make_backend(pid, **waits) for pid in (501, 502)]
    return make_snapshot(
        rows,
        taken_at=at,
        server=make_server(started_at=NOW + 2.0 * RESTART - 1.0 if restarted else NOW - 86_400.0),
        roles=[make_role(20_001, "reporting", connection_limit=40)],
        counters=Counters(at, 1000 + 3 * index, index, index // 2, 0, 50_000 + 700 * index, len(rows)),
    )


RESTART = 130
RUN = 200
#: The frames that are compared after a jump.
LOOKED_AT = (10, 45, 100, RESTART - 1, RESTART + 1, RESTART + 20, RUN - 2)


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pool looks leaked from the tenth poll on: that it is found is another test's."""

    def found(
        snapshot: Snapshot, _verdicts: object, _habits: object, growth_of: Callable[[str], float | None], *_more: object
    ) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
        if snapshot.taken_at < NOW + 20.0:
            return (), ()
        keys = {one.key: "idle for long" for one in snapshot.backends if one.pid in LEAKED}
        evidence = {"sessions": len(keys), "growth_per_minute": growth_of("billing")}
        return (Leak(Pool("billing", "reporting", "shop"), 0.9, "6 idle for long", evidence, keys),), ()

    monkeypatch.setattr(observation, "find_leaks", found)
    monkeypatch.setattr(time_travel, "SETTLED_S", 0.0)


@pytest.mark.usefixtures("leaking")
@pytest.mark.parametrize("grouping", ["app", "role"])
async def test_a_jump_shows_what_was_shown_then(tmp_path: Path, grouping: str) -> None:
    ring, live = Ring(), {}
    view = ViewState(grouping=grouping)
    async with monitor(rich(0), ring=ring, interval_s=2.0, view=view) as (app, source, pilot):
        app.main.feed.interval_s = 0.0
        for index in range(1, RUN):
            await source.tick(pilot, rich(index))
            if index in LOOKED_AT:
                live[index] = screen_text(app)[:-1]
        # Stepping back in the monitor itself: only the first line and the keys say that this is not now.
        for index in reversed(LOOKED_AT):
            assert isinstance(app.main.feed, LiveFeed)
            app.main.feed.travel.go_to_moment(index)
            await settled(app.main, pilot)
            assert screen_text(app)[1:-1] == live[index][1:]
    text = "\n".join(live[100])
    missing = [word for word in ("Leak: 6 idle", "blocked 2", "opened", "reporting", "+") if word not in text]
    assert not missing, text
    recorder = Recorder.open(tmp_path / "run.pgtop")
    for index in range(RUN):
        recorder.add(ring.moment(index), ring.totals[index])
    recorder.close()
    with Recording.open(tmp_path / "run.pgtop") as recording:
        async with monitor(tape=recording, interval_s=2.0, view=view) as (app, _source, pilot):
            feed = app.main.feed
            assert isinstance(feed, ReplayFeed)
            feed.interval_s = 0.0
            await pilot.press("p")
            for index in reversed(LOOKED_AT):
                feed.player.seek(index)
                await settled(app.main, pilot)
                assert screen_text(app)[:-1] == live[index]
            await pilot.press("right_square_bracket", "left_square_bracket", "right_square_bracket")
            await settled(app.main, pilot)
            feed.player.seek(RESTART - 2)
            await pilot.press("right_square_bracket")
            await settled(app.main, pilot)
            assert screen_text(app)[:-1] == live[RESTART - 1]


async def test_a_monitor_key_of_the_user_s_own_leaves_the_speed_keys_of_a_recording() -> None:
    tape = ListTape([seen(count, NOW + 10.0 * count) for count in range(3)])
    async with monitor(tape=tape, keys=(("slower", "z"),)) as (app, _source, pilot):
        feed = app.main.feed
        assert isinstance(feed, ReplayFeed)
        before = feed.player.speed
        await pilot.press("plus")
        assert feed.player.speed > before
        await pilot.press("minus", "minus", "z")
        assert feed.player.speed < before
