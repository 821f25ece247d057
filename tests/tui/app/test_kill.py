"""Cancel and terminate: the question, what is struck out while it is open, and what is told afterwards."""

from __future__ import annotations

from typing import Any

from textual.widgets import Button, Input

from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.screen.live_feed import LiveFeed
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, OWN_ROLE_OID, make_backend, make_own, make_snapshot, make_walsender
from tests.support.fake_source import cursor_pid, monitor, on_main, screen_text, toasts, until

OPEN = ViewState(expanded=frozenset({("web",)}))


def web(*pids: int, at: float = NOW, **fields: Any) -> Snapshot:
    """Our own session, many of `other`, and these of `web`."""
    others = [make_backend(900 + number, app="other") for number in range(9)]
    rows = [make_backend(pid, state_change=NOW - 100.0 + pid, **fields) for pid in pids]
    return make_snapshot([make_own(), *others, *rows], taken_at=at)


async def test_terminate_asks_with_the_focus_on_no_and_y_sends() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        assert cursor_pid(app) == 1
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        assert app.screen.query_one("#no", Button).has_focus
        text = "\n".join(screen_text(app))
        assert "Terminate session 1 (app, web)?" in text
        assert "85 → 86" in text
        await pilot.press("enter")
        assert on_main(app)
        assert source.signals == []
        await pilot.press("x", "ctrl+y")
        await source.sent(pilot, web(1, 2, at=NOW + 1))
        (action, targets) = source.signals[0]
        assert action is Action.TERMINATE
        assert [target.key.pid for target in targets] == [1]
        assert targets[0].chosen_by == "the cursor"


async def test_no_esc_and_the_no_button_send_nothing() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down")
        for key in ("n", "escape", "enter"):
            await pilot.press("x", key)
            assert on_main(app), key
        await source.tick(pilot, web(1, 2, at=NOW + 1))
        assert source.signals == []


async def test_the_yes_button_sends() -> None:
    async with monitor(web(1, 2), view=OPEN) as (_app, source, pilot):
        await pilot.press("down", "down", "x", "right", "enter")
        await source.sent(pilot, web(1, 2, at=NOW + 1))
        assert source.signalled_pids == [1]


async def test_one_question_at_a_time_and_the_end_is_told_by_the_polls() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "x", "ctrl+y")
        assert source.signals == []
        await source.sent(pilot, web(1, 2, at=NOW + 1))
        await source.serve(pilot, web(2, at=NOW + 2), lambda: "terminate: 1 gone" in toasts(app))
        assert source.most_asking == 1


async def test_a_group_is_signalled_as_it_is_shown_and_marks_come_first() -> None:
    async with monitor(web(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "x")
        assert "Terminate 3 sessions?" in "\n".join(screen_text(app))
        await pilot.press("n", "down", "space", "down", "space", "home", "x")
        assert "Terminate 2 sessions?" in "\n".join(screen_text(app))
        await pilot.press("ctrl+y")
        await source.sent(pilot, web(1, 2, 3, at=NOW + 1), 2)
        assert source.signalled_pids == [1, 2]
        await until(lambda: not app.main.state.view.marks)


async def test_targets_that_leave_or_change_are_struck_out_and_never_come_back() -> None:
    async with monitor(web(1, 2, 3), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "x")
        assert isinstance(app.screen, Confirm)
        await source.tick(pilot, web(1, 3, at=NOW + 1))
        text = "\n".join(screen_text(app))
        assert "gone since it was selected" in text
        assert "Terminate 2 sessions?" in text
        # The very same session is seen again, and another runs a query.
        again = web(1, 2, 3, at=NOW + 2)
        rows = [make_backend(3, state=ACTIVE) if b.pid == 3 else b for b in again.backends]
        await source.tick(pilot, make_snapshot(rows, taken_at=NOW + 2))
        assert "Terminate session 1" in "\n".join(screen_text(app))
        await source.tick(pilot, again)
        assert [target.key.pid for target in app.screen.plan.targets] == [1]
        await pilot.press("ctrl+y")
        await source.sent(pilot, web(1, 2, 3, at=NOW + 3))
        assert source.signalled_pids == [1]


async def test_when_all_targets_have_left_nothing_can_be_confirmed() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "x")
        await source.tick(pilot, web(at=NOW + 1))
        assert "Nothing to signal" in "\n".join(screen_text(app))
        await pilot.press("ctrl+y")
        assert isinstance(app.screen, Confirm)
        await pilot.press("enter")
        assert on_main(app)
        assert source.signals == []


async def test_many_need_their_count_typed_and_a_wrong_one_does_nothing() -> None:
    pids = tuple(range(1, 31))
    async with monitor(web(*pids), view=OPEN) as (app, source, pilot):
        await pilot.press("home", "x")
        assert isinstance(app.screen, Confirm)
        assert app.screen.query_one("#answer", Input).has_focus
        await pilot.press("y", "enter")
        await pilot.press("backspace", "2", "9", "enter")
        assert "That is not it" in "\n".join(screen_text(app))
        assert isinstance(app.screen, Confirm)
        assert source.signals == []
        # One leaves: what was typed is asked anew, for one less.
        await pilot.press("backspace", "backspace", "3")
        await source.tick(pilot, web(*pids[1:], at=NOW + 1))
        assert app.screen.query_one("#answer", Input).value == ""
        await pilot.press("3", "0", "enter")
        assert isinstance(app.screen, Confirm)
        await pilot.press("backspace", "backspace", "2", "9", "enter")
        await source.sent(pilot, web(*pids[1:], at=NOW + 2), 29)
        assert source.signalled_pids == list(pids[1:])


async def test_a_superuser_needs_the_name_of_the_role() -> None:
    def seen(at: float) -> Snapshot:
        return make_snapshot([make_own(), make_backend(5, app="cron", role="dba", role_oid=OWN_ROLE_OID)], taken_at=at)

    async with monitor(seen(NOW), view=ViewState(expanded=frozenset({("cron",)}))) as (app, source, pilot):
        await pilot.press("down", "x", *"dba", "enter")
        assert on_main(app)
        await source.sent(pilot, seen(NOW + 1))
        assert source.signals[0][1][0].allow_superuser


async def test_what_may_not_be_signalled_is_explained_and_cannot_be_confirmed() -> None:
    async with monitor(make_snapshot([make_walsender(7)])) as (app, source, pilot):
        await pilot.press("right", "down", "x")
        text = "\n".join(screen_text(app))
        assert "Nothing to signal" in text
        assert "replication: a walsender" in text
        await pilot.press("y", "enter")
        await source.tick(pilot, make_snapshot([make_walsender(7)], taken_at=NOW + 1))
        assert source.signals == []


async def test_cancel_on_an_idle_session_says_that_it_would_do_nothing() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "c")
        assert "a cancel frees no slot" in "\n".join(screen_text(app))
        await pilot.press("enter")
        assert source.signals == []


async def test_a_cancelled_query_is_told() -> None:
    running: dict[str, Any] = {"state": ACTIVE, "wait_event_type": "", "wait_event": ""}
    async with monitor(web(1, 2, **running), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "c", "ctrl+y")
        await source.sent(pilot, web(1, 2, at=NOW + 1, **running))
        assert source.signals[0][0] is Action.CANCEL
        await source.serve(pilot, web(1, 2, at=NOW + 2), lambda: "1 cancelled (now idle)" in toasts(app))


async def test_refusals_are_listed_and_what_stays_is_told() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        denied = "permission denied [/b] to terminate process"
        source.answer = lambda target: (
            Outcome(target, Status.DENIED, denied) if target.key.pid == 1 else Outcome(target, Status.SIGNALLED)
        )
        await pilot.press("down", "x", "ctrl+y")
        await source.sent(pilot, web(1, 2, at=NOW + 1), 2)
        await source.serve(pilot, web(1, 2, at=NOW + 1), lambda: app.main.signals.pending == 1)
        await source.tick(pilot, web(1, 2, at=NOW + 1))
        assert "waiting" not in toasts(app)
        await source.serve(pilot, web(1, 2, at=NOW + 4), lambda: "waiting for 1 session to end" in toasts(app))
        stuck = web(1, 2, at=NOW + 13, wait_event_type="IO", wait_event="DataFileRead")
        await source.serve(pilot, stuck, lambda: "1 denied" in toasts(app))
        text = toasts(app)
        assert "1 still there (waits on IO:DataFileRead)" in text
        assert f"1 app web denied: {denied}" in text
        assert "2 app web still there" in text


async def test_polls_hurry_until_the_end_is_known() -> None:
    async with monitor(web(1, 2), view=OPEN, interval_s=0.0) as (app, source, pilot):
        app.main.feed.interval_s = 30.0
        await pilot.press("down", "down", "x", "ctrl+y")
        await source.sent(pilot, web(1, 2, at=NOW + 1))
        assert app.main.signals.pending == 1
        assert isinstance(app.main.feed, LiveFeed)
        assert app.main.feed.next_interval_s() <= 1.0
        await source.serve(pilot, web(2, at=NOW + 2), lambda: app.main.signals.pending == 0)
        assert app.main.feed.next_interval_s() == 30.0


async def test_a_connection_that_is_lost_while_signalling_is_told_and_ends_nothing() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        source.signal_error = SourceLost("the server closed the connection")
        await pilot.press("down", "down", "x", "ctrl+y")
        # Nobody knows whether the signal went out: the following polls tell.
        await source.serve(pilot, web(1, 2, at=NOW + 1), lambda: source.attempts > 0)
        await source.serve(pilot, web(at=NOW + 2), lambda: "closed the connection" in toasts(app))
        assert "1 gone" in toasts(app)


async def test_nothing_is_sent_while_the_connection_is_lost() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "x")
        await source.tick(pilot, SourceLost("gone"))
        await pilot.press("ctrl+y")
        assert "nothing was sent" in toasts(app)
        assert source.signals == []


async def test_read_only_takes_the_keys_away() -> None:
    async with monitor(web(1, 2), view=OPEN, policy=Policy(read_only=True)) as (app, source, pilot):
        assert "terminate" not in screen_text(app)[-1]
        assert "read-only" in screen_text(app)[0]
        await pilot.press("down", "down", "x", "c")
        assert on_main(app)
        assert "--read-only" in toasts(app)
        await pilot.press("question_mark")
        text = "\n".join(screen_text(app))
        assert "pg_terminate_backend" not in text
        await source.tick(pilot, web(1, 2, at=NOW + 1))
        assert source.signals == []


async def test_a_paused_table_signals_only_what_is_still_the_same() -> None:
    async with monitor(web(1, 2), view=OPEN) as (app, source, pilot):
        await pilot.press("down", "down", "p")
        await source.tick(pilot, web(1, 2, at=NOW + 1, state=ACTIVE))
        await pilot.press("x")
        assert "changed since it was selected: idle → active" in "\n".join(screen_text(app))
        await pilot.press("y", "enter")
        assert source.signals == []
