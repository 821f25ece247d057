"""Moments that are easy to miss: a poll while a dialog opens, a blocker outside the table, marks that are all gone."""

from __future__ import annotations

import re

import pytest
from textual.screen import Screen

from pgtop_conn.model.errors import PollFailed, SlotsExhausted, SourceLost
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import BackendKey
from pgtop_conn.model.source import Action, Target
from pgtop_conn.monitor.signal_queue import Decision
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.counting import Counting
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_background, make_own, make_snapshot, make_walsender
from tests.support.fake_source import cursor_pid, monitor, screen_text, toasts

OPEN = ViewState(expanded=frozenset({("web",)}))


def dialogs() -> list[Dialog[object]]:
    snapshot = make_snapshot([make_own(), make_backend(1)])
    plan = make_plan(Action.TERMINATE, [Target.of(make_backend(1))], snapshot, Policy())
    return [
        Confirm(Decision(plan), snapshot, Policy(), 5.0),  # type: ignore[list-item]
        Blockers(snapshot),  # type: ignore[list-item]
        Counting(snapshot, ascii_only=False),  # type: ignore[list-item]
    ]


@pytest.mark.parametrize("number", range(3))
async def test_a_poll_while_a_dialog_is_being_composed_is_shown_when_it_is(number: int) -> None:
    async with monitor(make_snapshot([make_own(), make_backend(1)]), view=OPEN) as (app, _, pilot):
        dialog = dialogs()[number]
        app.push_screen(dialog)
        dialog.polled(make_snapshot([make_own()], taken_at=NOW + 1))
        await pilot.pause()
        screen: Screen[object] = app.screen
        assert screen is dialog
        if isinstance(screen, Confirm):
            assert screen.plan.planned == ()


async def test_a_poll_right_behind_the_key_that_opens_a_dialog() -> None:
    for key, kind in (("x", Confirm), ("enter", SessionDetail), ("i", Counting)):
        async with monitor(make_snapshot([make_own(), make_backend(1)]), view=OPEN) as (app, source, pilot):
            app.main.table.put_cursor_on(make_backend(1).key)
            source.give(make_snapshot([make_own(), make_backend(1)], taken_at=NOW + 1))
            app.main.feed.poller.wake()
            await pilot.press(key)
            await pilot.pause()
            assert isinstance(app.screen, kind)


async def test_going_to_a_blocker_that_the_table_does_not_list() -> None:
    worker = make_background(50, "autovacuum worker", database="shop", database_oid=5)
    sender = make_walsender(51)
    rows = [make_own(), worker, sender, make_backend(1, blocked_by=(50,)), make_backend(2, blocked_by=(51,))]
    async with monitor(make_snapshot(rows)) as (app, _, pilot):
        app.main.browsing.go_to_session(worker.key)
        await pilot.pause()
        assert cursor_pid(app) == 50
        assert app.main.state.view.filter.text == "pid:50"
        app.main.browsing.go_to_session(sender.key)
        await pilot.pause()
        assert cursor_pid(app) == 51


async def test_going_to_a_blocker_leaves_the_pause_and_never_another_session_under_the_cursor() -> None:
    before = make_snapshot([make_own(), make_backend(1), make_backend(2)])
    async with monitor(before, view=OPEN) as (app, source, pilot):
        await pilot.press("p")
        rows = [make_own(), make_backend(1, state="active", blocked_by=(2,)), make_backend(2, state="active")]
        await source.tick(pilot, make_snapshot(rows, taken_at=NOW + 1))
        app.main.browsing.go_to_session(BackendKey(2, NOW - 3600.0))
        await pilot.pause()
        assert cursor_pid(app) == 2
        assert app.main.state.paused is None


async def test_the_cursor_of_the_blockers_stays_on_none_when_its_session_leaves() -> None:
    def waiting(*roots: int) -> list[object]:
        pairs = [(make_backend(root), make_backend(root + 10, state="active", blocked_by=(root,))) for root in roots]
        return [backend for pair in pairs for backend in pair]

    first = make_snapshot([make_own(), *waiting(1, 2, 3)])  # type: ignore[list-item]
    async with monitor(first) as (app, source, pilot):
        await pilot.press("b", "down", "down")
        dialog = app.screen
        assert isinstance(dialog, Blockers)
        assert dialog.chosen == make_backend(2).key
        await source.tick(pilot, make_snapshot([make_own(), *waiting(1, 3)], taken_at=NOW + 1))  # type: ignore[list-item]
        assert dialog.chosen is None
        await pilot.press("down")
        assert dialog.chosen is not None


async def test_marks_that_are_all_gone_are_dropped_and_the_cursor_is_not_taken_for_them() -> None:
    rows = [make_own(), make_backend(1), make_backend(2)]
    async with monitor(make_snapshot(rows), view=OPEN) as (app, source, pilot):
        app.main.table.put_cursor_on(make_backend(1).key)
        await pilot.press("space", "down")
        await source.tick(pilot, make_snapshot([make_own(), make_backend(2)], taken_at=NOW + 1))
        await pilot.press("x")
        assert not isinstance(app.screen, Confirm)
        assert "1 marked session no longer listed" in toasts(app)
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)


async def test_a_failed_poll_is_no_lost_connection_and_does_not_keep_from_signalling() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1), *(make_backend(pid) for pid in range(20, 40))])
    async with monitor(snapshot, view=OPEN) as (app, source, pilot):
        app.main.table.put_cursor_on(make_backend(1).key)
        await source.tick(pilot, PollFailed("a lock on a system catalog"))
        assert "asking again" in "\n".join(screen_text(app))
        await pilot.press("x", "ctrl+y")
        await source.sent(pilot, snapshot)
        assert source.signalled_pids == [1]


async def test_a_lost_connection_keeps_from_signalling() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1), make_backend(2), make_backend(3)])
    async with monitor(snapshot, view=OPEN) as (app, source, pilot):
        app.main.table.put_cursor_on(make_backend(1).key)
        await source.tick(pilot, SourceLost("gone"))
        await pilot.press("x", "ctrl+y")
        await pilot.pause()
        assert source.signalled_pids == []
        assert "connection is lost" in toasts(app)


async def test_copying_the_signal_leaves_out_what_the_guards_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [make_own(app="web"), make_backend(1), make_walsender(2, app="web")]
    async with monitor(make_snapshot(rows), view=OPEN) as (app, _, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("g", "Y")
        assert len(copied) == 1
        assert "get_activity(1)" in copied[0]
        assert "get_activity(999)" not in copied[0]
        assert "1 session left out" in toasts(app)


async def test_a_login_refused_although_there_was_room_is_explained() -> None:
    rows = [make_own(), make_backend(1)]
    async with monitor(make_snapshot(rows), size=(160, 36)) as (app, source, pilot):
        await source.tick(pilot, SlotsExhausted("sorry, too many clients already"))
        text = "\n".join(screen_text(app))
        assert re.search(
            "sorry, too many clients already; 98 were free [0-9] s ago: filled since, or logins that never finish", text
        )
    full = make_snapshot([make_own(), *(make_backend(pid) for pid in range(1, 100))])
    async with monitor(full) as (app, source, pilot):
        await source.tick(pilot, SlotsExhausted("sorry, too many clients already"))
        assert "reconnecting: sorry, too many clients already" in "\n".join(screen_text(app))
