"""The command palette: every command by its name, and names from the server as they are."""

from __future__ import annotations

import pytest
from textual.command import CommandPalette
from textual.content import Content
from textual.pilot import Pilot

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.palette import PaletteProvider
from pgtop_conn.tui.keys import monitor as keys
from pgtop_conn.tui.theme import themes
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS
from tests.support.data.crowds import OPEN, sessions
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.fake_source import monitor, on_main, screen_text, until
from tests.support.stores import LayoutLog

HOSTILE = "[/x] [@click=app.quit]q"


def names(app: MonitorApp) -> list[str]:
    return [command.name for command in app.main.palette_commands()]


async def choose(app: MonitorApp, pilot: Pilot[int], query: str) -> None:
    """Open the palette, type, and take what it finds first."""
    await pilot.press("ctrl+p")
    await until(lambda: isinstance(app.screen, CommandPalette))
    await pilot.press(*("space" if letter == " " else letter for letter in query))
    await until(lambda: query.lower() in "\n".join(screen_text(app)[4:]).lower())
    await pilot.press("enter")
    await until(lambda: not isinstance(app.screen, CommandPalette))
    await pilot.pause()


async def test_it_has_every_command_grouping_order_theme_and_group() -> None:
    async with monitor(sessions(1, 2), view=OPEN) as (app, _, _pilot):
        found = "\n".join(names(app))
        for binding in keys.BINDINGS:
            if binding.group is not keys.MOVE and not str(binding.id).startswith(("palette", "preset_")):
                assert f"{binding.description}: " in found
        for name in GROUPINGS:
            assert f"Group by {name}" in found
        for sort in SORTS.values():
            assert f"Sort by {sort.title}" in found
        for column in ("GROUP", "PID"):
            assert f"column {column}:" not in found
        assert "Hide column CLIENT: address of the client" in found
        for name in themes.OWN:
            assert f"Theme {name}" in found
        assert "Go to group web" in found
        assert len(set(names(app))) == len(names(app))


async def test_without_signals_it_has_none() -> None:
    async with monitor(sessions(1), policy=Policy(read_only=True)) as (app, _, _pilot):
        assert not any(name.startswith(("terminate:", "cancel:", "free slots:")) for name in names(app))


async def test_what_is_chosen_is_done() -> None:
    layout = LayoutLog()
    async with monitor(sessions(1, 2), layout=layout) as (app, _, pilot):
        await choose(app, pilot, "group by role")
        assert app.main.state.view.grouping == "role"
        await choose(app, pilot, "sort by name")
        assert app.main.state.view.sort == "name"
        light = themes.LIGHT.name
        await choose(app, pilot, f"theme {light}")
        assert app.theme == light
        assert layout.themes == [light]
        await choose(app, pilot, "terminate: ")
        assert isinstance(app.screen, Confirm)


async def test_a_group_is_gone_to() -> None:
    both = make_snapshot([make_own(), make_backend(1), make_backend(2), make_backend(3, app="other")])
    async with monitor(both) as (app, _, pilot):
        await choose(app, pilot, "go to group other")
        assert app.main.table.cursor == ("other",)


async def test_names_of_the_server_are_no_markup() -> None:
    async with monitor(make_snapshot([make_own(), make_backend(1, app=HOSTILE)])) as (app, _, pilot):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"click")
        await until(lambda: HOSTILE in "\n".join(screen_text(app)))
        await pilot.press("escape", "escape")
        await until(lambda: on_main(app))


async def test_what_matches_is_shown_as_text() -> None:
    async with monitor(make_snapshot([make_own(), make_backend(1, app=HOSTILE)])) as (app, _, pilot):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, CommandPalette))
        provider = PaletteProvider(app.main)
        hits = [hit async for hit in provider.search("click")]
        shown = [getattr(hit, "match_display", None) for hit in hits]
        assert any(isinstance(one, Content) and HOSTILE in one.plain for one in shown)


@pytest.mark.parametrize("key", ["x", "q", "c"])
async def test_keys_are_letters_while_a_command_is_looked_for(key: str) -> None:
    async with monitor(sessions(1)) as (app, source, pilot):
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        assert not source.signals


async def test_a_column_is_hidden_and_shown_again() -> None:
    async with monitor(sessions(1, 2), view=OPEN) as (app, _, pilot):
        assert "CLIENT" in "\n".join(screen_text(app))
        await choose(app, pilot, "hide column client")
        assert "CLIENT" not in "\n".join(screen_text(app))
        await choose(app, pilot, "show column client")
        assert "CLIENT" in "\n".join(screen_text(app))
