"""Leaks on the screen: the line above the table, the flags in it, and leaks only."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from pgtop_conn.model.history import observation
from pgtop_conn.model.history.observation import LEAKS_EVERY_S
from pgtop_conn.model.labels.labels import Label
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.data.shop import LEAKED, OPEN, listed, shop, text_of
from tests.support.fake_source import monitor, screen_text, toasts


@pytest.mark.usefixtures("leaking")
@pytest.mark.parametrize(("size", "ascii_only"), [((120, 36), False), ((120, 36), True), ((80, 24), False)])
async def test_a_leak_is_told_above_the_table_and_flagged_in_it(size: tuple[int, int], ascii_only: bool) -> None:
    async with monitor(shop(), size=size, view=OPEN, ascii=ascii_only) as (app, _, _pilot):
        lines = screen_text(app)
        assert lines[4].startswith(" Leak: billing holds 4 of 7, +2.1/min; 3 idle > 20 min")
        assert lines[4].rstrip().endswith("d diagnose")
        group = next(line for line in lines if " billing " in line and "leak 3" in line)
        assert cell_len(group) == size[0]
        assert sum("idle leak" in line for line in lines) == 3
        assert not any("leak" in line for line in lines if " web " in line)


@pytest.mark.usefixtures("leaking")
async def test_a_long_name_is_cut_for_the_flag_and_not_the_flag() -> None:
    rows = [make_backend(pid, app="日本語アプリケーションの名前" * 3) for pid in LEAKED]
    async with monitor(make_snapshot([make_own(), *rows]), size=(80, 24)) as (app, _, _pilot):
        line = next(line for line in screen_text(app) if "日本" in line and "▸" in line)
        assert "…の名前  leak " in line
        assert cell_len(line) == 80


@pytest.mark.usefixtures("leaking")
async def test_l_shows_leaks_only_with_the_filter_and_kills_only_those() -> None:
    async with monitor(shop(), view=OPEN) as (app, source, pilot):
        await pilot.press("l")
        assert listed(app) == {1, 2, 3}
        assert "leaks only" in text_of(app)
        await pilot.press("slash", *"pid:2,3,4")
        assert "2 of 7 sessions, leaks only" in text_of(app)
        await pilot.press("enter", "g")
        assert listed(app) == {2, 3}
        await pilot.press("x")
        dialog = app.screen
        assert isinstance(dialog, Confirm)
        assert [one.backend.pid for one in dialog.plan.planned] == [2, 3]
        assert dialog.plan.chosen[0].chosen_by == "group app=billing, filter pid:2,3,4, leaks only"
        await pilot.press("escape", "escape")
        assert not app.main.state.view.choice
        assert listed(app) == {1, 2, 3, 4}
        await pilot.press("l", "l")
        assert not app.main.state.view.leaks_only
        await pilot.press("l", "A")
        assert {key.pid for key in app.main.state.view.marks} == {1, 2, 3}
        await source.tick(pilot, shop(NOW + 2, without=1))
        assert listed(app) == {2, 3}


async def test_l_without_a_leak_says_so_and_hides_nothing() -> None:
    async with monitor(shop(), view=OPEN) as (app, _, pilot):
        await pilot.press("l")
        assert "No session looks leaked" in toasts(app)
        assert listed(app) == {1, 2, 3, 4}


@pytest.mark.usefixtures("leaking")
async def test_freeing_takes_leaks_first_and_only_of_what_is_shown() -> None:
    async with monitor(shop(), view=OPEN) as (app, _, pilot):
        await pilot.press("f", "4")
        dialog = app.screen
        assert isinstance(dialog, FreeSlots)
        why = [pick.why for pick in dialog.freeing.picks]
        assert not why or why[0].startswith("looks leaked")
        await pilot.press("escape", "l", "f", "6")
        assert "of leaks only" in text_of(app)
        narrowed = app.screen
        assert isinstance(narrowed, FreeSlots)
        assert {pick.backend.pid for pick in narrowed.freeing.picks} <= {1, 2, 3}


@pytest.mark.usefixtures("leaking")
async def test_the_detail_tells_the_leak_and_whose_it_is() -> None:
    labels = (Label.of("Billing team", "app:billing"),)
    async with monitor(shop(), view=OPEN, labels=labels) as (app, source, pilot):
        await pilot.press("l", "down", "enter")
        text = text_of(app)
        assert "leak          idle for 25m, last ran SELECT" in text
        assert "source        Billing team" in text
        await source.tick(pilot, shop(NOW + 2))
        assert "idle for 25m" in text_of(app)
        await pilot.press("escape", "escape", "slash", *'source:"Billing team"', "enter")
        assert listed(app) == {1, 2, 3, 4}
        await pilot.press("escape", *["tab"] * 5)
        assert app.main.state.view.grouping == "source"
        assert "Billing team" in text_of(app)


@pytest.mark.usefixtures("leaking")
async def test_a_table_that_is_held_keeps_its_own_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(shop(), view=OPEN) as (app, source, pilot):
        await pilot.press("p", "l")
        monkeypatch.setattr(observation, "find_leaks", lambda *_all: ((), ()))
        await source.tick(pilot, shop(NOW + LEAKS_EVERY_S))
        assert listed(app) == {1, 2, 3}
        await pilot.press("p")
        assert listed(app) == set()
