"""The mouse: a click selects, a title sorts, two clicks open, the wheel scrolls."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.tui.widgets.session_table import SORT_BY
from pgtop_conn.view.table.columns import GROUP_COLUMNS
from pgtop_conn.view.table.lines import SORTS
from tests.support.data.crowds import OPEN, sessions
from tests.support.fake_source import cursor_pid, monitor, on_main, screen_text


async def click_title(app: MonitorApp, pilot: Pilot[int], title: str) -> None:
    """On the last letter of this title."""
    table = app.main.table
    line = screen_text(app)[table.region.y]
    await pilot.click("#table", offset=(line.index(title) + len(title) - 1, 0))


async def test_a_click_selects_and_two_open() -> None:
    async with monitor(sessions(1, 2, 3), view=OPEN) as (app, _, pilot):
        await pilot.click("#table", offset=(20, 4))
        assert cursor_pid(app) == 2
        assert on_main(app)
        await pilot.double_click("#table", offset=(20, 5))
        assert cursor_pid(app) == 3
        assert isinstance(app.screen, SessionDetail)


async def test_two_clicks_on_a_group_open_and_close_it() -> None:
    async with monitor(sessions(1, 2, 3)) as (app, _, pilot):
        await pilot.double_click("#table", offset=(5, 1))
        assert app.main.state.view.expanded == {("web",)}
        await pilot.double_click("#table", offset=(5, 1))
        assert not app.main.state.view.expanded


async def test_a_click_below_the_last_line_is_about_nobody() -> None:
    async with monitor(sessions(1, 2)) as (app, _, pilot):
        before = app.main.table.cursor
        await pilot.double_click("#table", offset=(5, 20))
        assert app.main.table.cursor == before
        assert not app.main.state.view.expanded
        assert on_main(app)


@pytest.mark.parametrize(
    ("title", "sort"), [("GROUP", "name"), ("Δ/MIN", "growth"), ("ACTIVE", "active"), ("IN TX", "xact")]
)
async def test_a_click_on_a_title_sorts_by_it_and_again_turns_it_round(title: str, sort: str) -> None:
    async with monitor(sessions(1, 2)) as (app, _, pilot):
        await click_title(app, pilot, title)
        assert app.main.state.view.sort == sort
        assert not app.main.state.view.reverse
        await click_title(app, pilot, title)
        assert app.main.state.view.sort == sort
        assert app.main.state.view.reverse


def test_titles_sort_by_what_there_is() -> None:
    assert set(SORT_BY) <= {column.name for column in GROUP_COLUMNS}
    assert set(SORT_BY.values()) <= set(SORTS)


@pytest.mark.parametrize("size", [(120, 24)])
async def test_the_wheel_scrolls_and_leaves_the_cursor(size: tuple[int, int]) -> None:
    async with monitor(sessions(*range(1, 101)), size=size, view=OPEN) as (app, _, pilot):
        before = app.main.table.cursor
        await wheel(app, pilot, events.MouseScrollDown)
        assert app.main.table.scroll_y > 0
        assert app.main.table.cursor == before
        await wheel(app, pilot, events.MouseScrollUp)
        assert app.main.table.scroll_y == 0


async def wheel(app: MonitorApp, pilot: Pilot[int], kind: type[events.MouseEvent]) -> None:
    region = app.main.table.region
    where: dict[str, Any] = {"delta_x": 0, "delta_y": 0, "button": 0, "shift": False, "meta": False, "ctrl": False}
    app.main.table.post_message(kind(app.main.table, x=region.x + 5, y=region.y + 5, **where))
    await pilot.pause()
