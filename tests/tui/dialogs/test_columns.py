"""Columns on the screen: chosen, kept for the next time, moved aside; and a terminal that is too small."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.dialogs.columns import ColumnChooser
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, on_main, screen_text, toasts
from tests.support.stores import LayoutLog

QUERY = "SELECT * FROM invoices WHERE customer = 4711 AND paid IS FALSE ORDER BY due LIMIT 100 -- nightly"
OPEN = ViewState(expanded=frozenset({("web",)}))


def sessions() -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid, app="web", query=QUERY) for pid in (11, 12, 13))])


def header(lines: list[str]) -> str:
    return next(line for line in lines if "PID" in line)


async def test_columns_are_switched_off_and_the_choice_is_kept() -> None:
    layout = LayoutLog()
    async with monitor(sessions(), view=OPEN, layout=layout) as (app, _, pilot):
        assert "OLDEST" in screen_text(app)[6]
        # The first that can be switched off is CONN, the next OLDEST IDLE.
        await pilot.press("C", "down", "down", "space")
        assert isinstance(app.screen, ColumnChooser)
        assert "[ ] OLDEST IDLE" in "\n".join(screen_text(app))
        await pilot.press("enter")
        assert on_main(app)
        assert "OLDEST" not in screen_text(app)[6]
        assert "CONN" in screen_text(app)[6]
        assert layout.columns == [["oldest_idle"]]
        await pilot.press("C", "a", "enter")
        assert "OLDEST" in screen_text(app)[6]
        assert layout.columns[-1] == []


async def test_leaving_the_chooser_changes_nothing() -> None:
    layout = LayoutLog()
    async with monitor(sessions(), view=OPEN, layout=layout) as (app, _, pilot):
        await pilot.press("C", "down", "space", "escape")
        assert on_main(app)
        assert "CONN" in screen_text(app)[6]
        await pilot.press("C", "enter")
        assert layout.columns == []


async def test_what_was_kept_is_used_and_names_that_are_no_more_are_passed_over() -> None:
    async with monitor(sessions(), view=OPEN, hidden_columns=("query", "gone", "pid")) as (app, _, pilot):
        assert app.main.state.view.hidden == {"query"}
        assert "QUERY" not in header(screen_text(app))
        assert "invoices" not in "\n".join(screen_text(app))
        await pilot.press("greater_than_sign")


async def test_the_cursor_of_the_chooser_is_never_on_a_heading() -> None:
    async with monitor(sessions(), size=(60, 20)) as (app, _, pilot):
        await pilot.press("C")
        chooser = app.screen
        assert isinstance(chooser, ColumnChooser)
        for key in (*["down"] * 24, "home", "end", "pageup", "pagedown", "up"):
            await pilot.press(key)
            assert chooser.body.cursor is not None
            assert chooser.listed[chooser.body.cursor].name
        await pilot.press("home", "space")
        assert chooser.hidden == frozenset()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36)])
async def test_every_column_and_the_end_of_the_query_come_by(size: tuple[int, int]) -> None:
    async with monitor(sessions(), size=size, view=OPEN) as (app, _, pilot):
        seen: set[str] = set()
        before: list[str] = []
        while (lines := screen_text(app)) != before:
            seen |= set(header(lines).replace("<", " ").replace(">", " ").split())
            assert all(cell_len(line) == size[0] for line in lines)
            assert all("11" in line or "12" in line or "13" in line for line in lines if "invoices" in line)
            before = lines
            await pilot.press("greater_than_sign")
            if toasts(app):
                break
        assert {"ROLE", "APP", "DATABASE", "CLIENT", "STATE", "FOR", "XACT", "WAIT", "QUERY"} <= seen
        assert any("nightly" in line for line in screen_text(app))
        for _ in range(30):
            await pilot.press("shift+left")
        assert "<" not in header(screen_text(app))


@pytest.mark.parametrize("size", [(39, 24), (80, 9), (12, 3)])
async def test_a_terminal_that_is_too_small_says_so_and_answers_nothing(size: tuple[int, int]) -> None:
    async with monitor(sessions(), size=size, view=OPEN) as (app, source, pilot):
        assert "Too small" in screen_text(app)[0]
        assert not any("GROUP" in line for line in screen_text(app))
        app.main.table.put_cursor_on(make_backend(11).key)
        await pilot.press("x", "ctrl+y")
        await pilot.pause()
        assert "Too small" in screen_text(app)[0]
        assert source.signals == []
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Too small" not in "\n".join(screen_text(app))
        # The question is still there, and its answer now counts.
        assert not on_main(app)
        await pilot.press("escape")
        assert on_main(app)
        assert any("GROUP" in line for line in screen_text(app))


async def test_the_smallest_terminal_shows_a_table() -> None:
    async with monitor(sessions(), size=(40, 10)) as (app, _, _pilot):
        text = "\n".join(screen_text(app))
        assert "Too small" not in text
        assert "web" in text


async def test_a_message_that_is_still_there_is_not_said_again() -> None:
    async with monitor(make_snapshot([make_own(), make_backend(1)]), size=(120, 36)) as (app, _source, pilot):
        app.main.tell("once")
        app.main.tell("once")
        await pilot.pause()
        assert toasts(app) == "once"
