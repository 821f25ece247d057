"""What the palette lists, and that each command does what its words say, without an application."""

from __future__ import annotations

from pgtop_conn.tui.dialogs.palette import PaletteCommand
from pgtop_conn.tui.keys import monitor
from pgtop_conn.tui.screen.browsing import Browsing
from pgtop_conn.tui.screen.palette_commands import PaletteCommands, ThemeChoice
from pgtop_conn.tui.theme import themes
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.fake_desk import FakeDesk, desk_of
from tests.support.stores import LayoutLog

HOSTILE = "[/x] [@click=app.quit]q"


class Stage:
    """The palette of a table with one group of a hostile name."""

    def __init__(self) -> None:
        self.pressed: list[str] = []
        self.themes: list[str] = []
        self.state, self.desk = desk_of(make_snapshot([make_own(), make_backend(1, app=HOSTILE)]))
        presets = {"1": "idle>10m"}
        browsing = Browsing(self.state, self.desk, LayoutLog(), presets, lambda _action, _target: None)
        choice = ThemeChoice([*themes.OWN, "nord"], themes.LIGHT.name, self.themes.append)
        self.commands = PaletteCommands(
            self.state, self.desk, browsing, monitor.available(False), presets, choice, self._press
        )

    async def _press(self, action: str) -> None:
        self.pressed.append(action)

    @property
    def found(self) -> dict[str, PaletteCommand]:
        return {one.name: one for one in self.commands.all()}

    def run(self, begin: str) -> None:
        """What begins so is chosen."""
        (command,) = [one for name, one in self.found.items() if name.startswith(begin)]
        command.run()


def test_every_name_is_there_once_and_moving_is_left_to_the_keys() -> None:
    stage = Stage()
    names = [one.name for one in stage.commands.all()]
    assert len(set(names)) == len(names)
    moving = [one.description for one in monitor.BINDINGS if one.group is monitor.MOVE]
    assert not {f"{words}: " for words in moving} & set(names)
    assert {f"Group by {name}" for name in GROUPINGS if name != "app"} <= set(names)
    assert "Group by app   (now)" in names
    assert sum(name.startswith("Sort by ") for name in names) == len(SORTS)
    assert f"Theme {themes.LIGHT.name}   (now)" in names
    assert "Theme nord" in names
    assert f"Go to group {HOSTILE}" in names


async def test_a_key_is_pressed_by_the_action_of_its_binding() -> None:
    stage = Stage()
    (command,) = [one for name, one in stage.found.items() if name.startswith("terminate: ")]
    done = command.run()
    assert done is not None
    await done
    assert stage.pressed == ["terminate"]
    assert command.help == "key x F9"


def test_what_is_chosen_is_done() -> None:
    stage = Stage()
    stage.run("Group by role")
    assert stage.state.view.grouping == "role"
    stage.run("Sort by name")
    assert stage.state.view.sort == "name"
    stage.run("Filter idle>10m")
    assert stage.state.view.filter.text == "idle>10m"
    stage.run("Theme nord")
    assert stage.themes == ["nord"]


def test_a_column_is_hidden_and_then_offered_to_be_shown() -> None:
    stage = Stage()
    stage.run("Hide column CLIENT")
    assert "client" in stage.state.view.hidden
    stage.run("Show column CLIENT")
    assert "client" not in stage.state.view.hidden


def test_a_group_is_gone_to_and_one_that_left_is_said() -> None:
    stage = Stage()
    go = stage.found[f"Go to group {HOSTILE}"]
    go.run()
    assert stage.desk.table.cursor == (HOSTILE,)
    gone: FakeDesk = stage.desk
    gone.polled(make_snapshot([make_own()]))
    go.run()
    assert gone.told[-1] == ("That group is gone", "warning")
