"""What the palette lists: every key, filter, grouping, sort order, column, theme and group on the screen.

Add a kind of command: a method that yields PaletteCommand, and its name in all().
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from textual.binding import Binding
from textual.markup import escape

from pgtop_conn.model.text import one_line
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.dialogs.palette import PaletteCommand
from pgtop_conn.tui.keys.monitor import MOVE
from pgtop_conn.tui.keys.names import display
from pgtop_conn.tui.screen.browsing import Browsing
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.tui.theme import themes
from pgtop_conn.view.table.column_choices import choices
from pgtop_conn.view.table.groups import GROUPINGS
from pgtop_conn.view.table.lines import SORTS

#: Cells of a name from the server.
NAME_WIDTH = 48


@dataclass(frozen=True, slots=True)
class ThemeChoice:
    """The themes there are, the one that is shown, and how to show another."""

    known: Collection[str]
    now: str
    choose: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PaletteCommands:
    """`press` does what a key does, by the action of its binding."""

    state: MonitorState
    desk: Desk
    browsing: Browsing
    bindings: Sequence[Binding]
    presets: Mapping[str, str]
    themes: ThemeChoice
    press: Callable[[str], Awaitable[object]]

    def all(self) -> list[PaletteCommand]:
        """Everything that can be done on the screen as it is now."""
        sources = (
            self._keys,
            self._presets,
            self._groupings,
            self._sorts,
            self._columns,
            self._themes,
            self._groups,
        )
        return [command for source in sources for command in source()]

    def _keys(self) -> Iterator[PaletteCommand]:
        """The keys, but those that only move."""
        for binding in self.bindings:
            if binding.group is not MOVE and not (binding.id or "").startswith(("palette", "preset_")):
                words = f"{binding.description}: {binding.tooltip.split('. ')[0].rstrip('.')}"
                yield PaletteCommand(words, partial(self.press, binding.action), f"key {escape(display(binding.key))}")

    def _presets(self) -> Iterator[PaletteCommand]:
        for number, text in self.presets.items():
            key = self.desk.key_of(f"preset_{number}")
            yield PaletteCommand(f"Filter {text}", partial(self.browsing.preset, number), f"key {key}")

    def _groupings(self) -> Iterator[PaletteCommand]:
        for name in GROUPINGS:
            now = "   (now)" if name == self.state.view.grouping else ""
            yield PaletteCommand(f"Group by {name}{now}", partial(self.browsing.choose_grouping, name))

    def _sorts(self) -> Iterator[PaletteCommand]:
        for name, sort in SORTS.items():
            now = "   (now)" if name == self.state.view.sort else ""
            yield PaletteCommand(f"Sort by {sort.title}{now}", partial(self.browsing.choose_sort, name))

    def _columns(self) -> Iterator[PaletteCommand]:
        """Those that can be switched off, each with what it will do now."""
        hidden = self.state.view.hidden
        for choice in choices(self.state.shown_tags.labelled):
            if choice.name and not choice.fixed:
                what = "Show" if choice.name in hidden else "Hide"
                wanted = hidden ^ {choice.name}
                choose = partial(self.browsing.choose_columns, wanted)
                yield PaletteCommand(f"{what} column {choice.title}: {choice.about}", choose)

    def _themes(self) -> Iterator[PaletteCommand]:
        own = [name for name in themes.OWN if name in self.themes.known]
        for name in [*own, *sorted(set(self.themes.known) - set(own))]:
            now = "   (now)" if name == self.themes.now else ""
            yield PaletteCommand(f"Theme {name}{now}", partial(self.themes.choose, name))

    def _groups(self) -> Iterator[PaletteCommand]:
        """The groups the table shows, opened or not."""
        for line in self.desk.table.lines:
            if line.group is not None:
                name = " / ".join(one_line(part)[:NAME_WIDTH] for part in line.group.path)
                go = partial(self.browsing.go_to_group, line.group.path)
                yield PaletteCommand(f"Go to group {name}", go, f"{line.group.count} sessions")
