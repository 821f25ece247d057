"""An empty table says why, and what to do next."""

from __future__ import annotations

from typing import Unpack

from pgtop_conn.model.filters.language import parse
from pgtop_conn.view.table import empty
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.data.fields import BackendFields
from tests.support.fake_source import monitor, screen_text


def said(view: ViewState, **fields: Unpack[BackendFields]) -> str:
    snapshot = make_snapshot([make_own(), make_backend(1, **fields)])
    return "\n".join("".join(cell.text for cell in row) for row in empty.rows(snapshot, view))


def test_a_filter_that_matches_nobody_is_named_with_the_key_that_clears_it() -> None:
    text = said(ViewState(filter=parse("app:nobody")))
    assert "No session matches app:nobody" in text
    assert "Esc clears the filter" in text


def test_leaks_only_without_leaks_says_how_to_see_the_others() -> None:
    assert "No session looks leaked" in said(ViewState(leaks_only=True))
    assert "of those that match role:a" in said(ViewState(leaks_only=True, filter=parse("role:a")))


def test_an_empty_server_says_that_nobody_is_connected() -> None:
    assert "Nobody is connected" in said(ViewState())


async def test_the_table_says_it_below_its_titles_and_only_while_it_is_empty() -> None:
    async with monitor(make_snapshot([make_own(), make_backend(1)])) as (app, _, pilot):
        await pilot.press("slash", *"app:nobody", "enter")
        await pilot.pause()
        assert any("No session matches app:nobody" in line for line in screen_text(app))
        await pilot.press("escape")
        await pilot.pause()
        assert not any("No session matches" in line for line in screen_text(app))


async def test_a_server_without_anybody_is_not_a_blank_screen() -> None:
    async with monitor(make_snapshot([])) as (app, _, _pilot):
        assert any("Nobody is connected" in line for line in screen_text(app))
