"""What is used of Textual's insides is as it was, and without it all is sent as Textual has it."""

from __future__ import annotations

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from textual import _compositor
from textual.app import App
from textual.strip import Strip

from pgtop_conn.tui.rendering import diff_app
from pgtop_conn.tui.rendering.diff_app import usable
from tests.support.data.factories import make_backend, make_snapshot
from tests.support.fake_source import monitor


def test_textual_is_as_expected() -> None:
    """Fails when Textual changes what is used of it; then all is painted again, until diff_app.py is brought up."""
    usable.cache_clear()
    assert usable()


@pytest.mark.parametrize("broken", ["_display", "ChopsUpdate"])
def test_it_is_not_used_where_textual_is_another(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    if broken == "_display":
        monkeypatch.setattr(App, "_display", lambda self, renderable: None)
    else:
        monkeypatch.setattr(_compositor, "ChopsUpdate", lambda lines: lines)
    usable.cache_clear()
    assert not usable()
    monkeypatch.undo()
    usable.cache_clear()
    assert usable()


async def test_the_screen_hands_its_updates_to_the_frame() -> None:
    """A screen without a terminal is drawn by the compositor alone: its updates are of the kinds that are compared."""
    async with monitor(make_snapshot()) as (app, _source, _pilot):
        compositor = app.screen._compositor
        update = compositor.render_update(full=True)
        frame = app.frame(ColorSystem.EIGHT_BIT)
        assert isinstance(update, _compositor.LayoutUpdate)
        sent = frame.changes(diff_app.placed_in(update))
        assert "Headroom" in sent
        again = compositor.render_update(full=True)
        assert frame.changes(diff_app.placed_in(again)) == ""
        app.repaint()
        assert app.shown is None


def test_an_update_that_is_dropped_changes_nothing() -> None:
    """Compared only when it is sent: Textual sends nothing while it is leaving."""
    console = Console(color_system="256", force_terminal=True)
    app: diff_app.DiffApp[None] = diff_app.DiffApp()
    strips = [Strip([Segment("x" * app.size.width)])]
    update = diff_app.ChangedCells(app, _compositor.LayoutUpdate([strips], app.size.region))
    assert app.shown is None
    assert "xxx" in update.render_segments(console)
    assert app.shown is not None


async def test_ctrl_l_paints_the_whole_screen_again() -> None:
    async with monitor(make_snapshot()) as (app, _source, pilot):
        app.frame(ColorSystem.EIGHT_BIT)
        await pilot.press("ctrl+l")
        assert app.shown is None


async def test_a_moved_cursor_makes_no_line_anew() -> None:
    """A line is made once a poll; a test of work, not of time."""
    made = 0

    async with monitor(make_snapshot([make_backend(pid, app=f"app {pid}") for pid in range(20)])) as (app, _, pilot):
        table = app.main.table
        before = [table.pieces(index, table.line_width) for index in range(len(table.lines))]
        for _ in range(5):
            await pilot.press("down")
        made = sum(table.pieces(index, table.line_width) is not pieces for index, pieces in enumerate(before))
        assert len(before) == 20
    assert made == 0
