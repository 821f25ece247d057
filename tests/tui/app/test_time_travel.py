"""Stepping back in time: the whole screen as it was, nothing sent from there, and the way back."""

from __future__ import annotations

from dataclasses import replace

from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.recording.ring import Ring
from pgtop_conn.tui.dialogs.history import HistoryScreen
from tests.support.data.crowds import POLLS, seen
from tests.support.data.factories import NOW, make_backend
from tests.support.data.tapes import ListTape
from tests.support.fake_source import monitor, on_main, screen_text, toasts, until


async def test_every_poll_is_kept_and_the_whole_screen_steps_back() -> None:
    ring = ListTape()
    async with monitor(POLLS[0], ring=ring) as (app, source, pilot):
        for poll in POLLS[1:]:
            await source.tick(pilot, poll)
        assert [one.used for one in ring.totals] == [4, 11, 41, 21]
        await pilot.press("left_square_bracket")
        text = screen_text(app)
        assert "2s back" in text[0]
        assert "now 21/100" in text[0]
        assert "41/100" in text[1]
        assert any("billing" in line and " 40 " in line for line in text)
        await pilot.press("left_square_bracket", "left_square_bracket")
        assert "4/100" in screen_text(app)[1]
        await pilot.press("left_square_bracket")
        assert "oldest" in toasts(app)
        await pilot.press("right_square_bracket")
        assert "11/100" in screen_text(app)[1]
        assert not ring.rested
        await pilot.press("end")
        assert "21/100" in screen_text(app)[1]
        assert "back" not in screen_text(app)[0]
        assert ring.rested


async def test_stepping_forward_past_the_newest_is_live_again() -> None:
    async with monitor(POLLS[0], ring=ListTape()) as (app, source, pilot):
        await source.tick(pilot, POLLS[1])
        await pilot.press("left_square_bracket", "right_square_bracket")
        assert app.main.state.past is None
        assert "11/100" in screen_text(app)[1]


async def test_polls_go_on_behind_an_earlier_moment_and_say_how_full_it_is_now() -> None:
    async with monitor(POLLS[0], ring=ListTape()) as (app, source, pilot):
        await source.tick(pilot, POLLS[1])
        await pilot.press("left_square_bracket")
        await source.tick(pilot, POLLS[2])
        text = screen_text(app)
        assert "4/100" in text[1]
        assert "4s back" in text[0]
        assert "now 41/100" in text[0]


async def test_nothing_is_signalled_from_an_earlier_moment() -> None:
    async with monitor(POLLS[0], ring=ListTape()) as (app, source, pilot):
        await source.tick(pilot, POLLS[1])
        await pilot.press("left_square_bracket")
        for key in ("x", "c", "f"):
            await pilot.press(key)
            assert on_main(app)
        assert "This is how it was" in toasts(app)
        assert "terminate" not in screen_text(app)[-1]
        assert "back to live" in screen_text(app)[-1]
        assert not source.signals


async def test_marks_are_kept_through_time_whatever_is_asked_there() -> None:
    new = make_backend(500, app="web")
    later = replace(POLLS[1], backends=(*POLLS[1].backends, new))
    async with monitor(POLLS[0], ring=Ring()) as (app, source, pilot):
        await source.tick(pilot, later)
        app.main.browsing.go_to_session(new.key)
        await pilot.press("space")
        assert set(app.main.state.view.marks) == {new.key}
        await pilot.press("left_square_bracket", "Y", "p")
        assert app.main.state.paused is None
        assert "holds still" in toasts(app)
        assert "free slots" not in screen_text(app)[-1]
        assert "pause" not in screen_text(app)[-1]
        await pilot.press("end")
        assert set(app.main.state.view.marks) == {new.key}
        assert "terminate 1 marked" in screen_text(app)[-1]


async def test_a_signal_is_a_mark_in_the_history() -> None:
    ring = Ring()
    async with monitor(POLLS[1], ring=ring) as (app, source, pilot):
        await pilot.press("right", "down", "x", "ctrl+y")
        await source.sent(pilot, seen(10, NOW + 3.0))
        left = tuple(one for one in POLLS[1].backends if one.pid not in source.signalled_pids)
        after = replace(POLLS[1], backends=left, taken_at=NOW + 4.0)
        await source.serve(pilot, after, lambda: bool(ring.marks))
        assert [(one.pid, one.action, one.outcome) for one in ring.marks] == [
            (source.signalled_pids[0], "terminate", "gone")
        ]
        await source.tick(pilot, replace(after, taken_at=NOW + 20.0))
        await pilot.press("h")
        await pilot.pause()
        assert "x terminated" in "\n".join(screen_text(app))


async def test_the_detail_of_an_earlier_moment_says_what_looked_leaked_then() -> None:
    backend = POLLS[0].backends[1]
    leak = Leak(Pool("billing", "app", "shop"), 0.9, "idle", {}, {backend.key: "idle for much too long"})
    ring = ListTape()
    async with monitor(POLLS[0], ring=ring) as (app, source, pilot):
        ring.moments[0] = Moment(POLLS[0], (leak,))
        await source.tick(pilot, POLLS[1])
        await pilot.press("left_square_bracket")
        app.main.browsing.go_to_session(backend.key)
        await pilot.press("enter")
        await pilot.pause()
        assert "much too long" in "\n".join(screen_text(app))


async def test_after_a_failover_to_a_server_whose_clock_is_behind_every_poll_is_stepped_through() -> None:
    behind = [seen(count, NOW - 3600.0 + 2.0 * index) for index, count in enumerate((5, 6))]
    async with monitor(POLLS[0], ring=Ring()) as (app, source, pilot):
        for poll in [*POLLS[1:], *behind]:
            await source.tick(pilot, poll)
        used = []
        for _ in range(5):
            await pilot.press("left_square_bracket")
            used.append(screen_text(app)[1].split("/100")[0].split()[-1])
        assert used == ["6", "21", "41", "11", "4"]
        await pilot.press("right_square_bracket")
        assert "11/100" in screen_text(app)[1]
        await pilot.press("h")
        await pilot.pause()
        text = "\n".join(screen_text(app))
        assert "peak 41" in text
        for key in ("end", "left", "home", "right", "plus", "n", "m", "left_square_bracket", "enter"):
            await pilot.press(key)
        await pilot.pause()
        assert on_main(app)


async def test_end_is_the_last_line_while_the_screen_is_live() -> None:
    async with monitor(POLLS[1], ring=ListTape()) as (app, _source, pilot):
        await pilot.press("right", "end")
        assert app.main.table.current is app.main.table.lines[-1]


async def test_without_a_ring_the_keys_say_so() -> None:
    async with monitor(POLLS[0]) as (app, _source, pilot):
        await pilot.press("left_square_bracket", "h")
        assert on_main(app)
        assert "Nothing is kept" in toasts(app)


async def test_the_history_goes_to_the_time_that_is_chosen() -> None:
    async with monitor(POLLS[0], ring=ListTape()) as (app, source, pilot):
        for poll in POLLS[1:]:
            await source.tick(pilot, poll)
        await pilot.press("h")
        await until(lambda: isinstance(app.screen, HistoryScreen))
        await pilot.pause()
        text = "\n".join(screen_text(app))
        assert "peak 41" in text
        assert "21/100" in text
        await pilot.press("M")
        await pilot.pause()
        assert "41/100" in "\n".join(screen_text(app))
        await pilot.press("enter")
        await pilot.pause()
        assert on_main(app)
        assert "41/100" in screen_text(app)[1]


async def test_the_history_follows_the_polls_while_its_cursor_is_on_the_newest() -> None:
    async with monitor(POLLS[0], ring=ListTape()) as (app, source, pilot):
        await source.tick(pilot, POLLS[1])
        await pilot.press("h")
        await source.tick(pilot, POLLS[2])
        assert "41/100" in "\n".join(screen_text(app))
        await pilot.press("home")
        await source.tick(pilot, POLLS[3])
        assert "4/100" in "\n".join(screen_text(app))
        await pilot.press("tab", "z", "plus", "minus", "escape")
        await pilot.pause()
        assert on_main(app)
        assert "21/100" in screen_text(app)[1]
