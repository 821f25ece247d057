"""The command palette: every command, grouping, sort order, column, theme and group on the screen, by its name.

Add a kind of command: a function that yields Command, and its name in SOURCES.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape
from textual.screen import Screen
from textual.style import Style

from pgtop_conn.model.text import one_line
from pgtop_conn.tui.keys import monitor as keys
from pgtop_conn.tui.keys.names import display, remapped
from pgtop_conn.tui.theme import themes
from pgtop_conn.view.table.column_choices import choices
from pgtop_conn.view.table.groups import GROUPINGS, Path
from pgtop_conn.view.table.lines import SORTS

if TYPE_CHECKING:
    from pgtop_conn.tui.screen.browsing import BrowseScreen

#: Cells of a name from the server.
NAME_WIDTH = 48


@dataclass(frozen=True, slots=True)
class Command:
    """What is found, in words of ours or of the server, and what it does."""

    name: str
    run: Callable[[], Awaitable[object] | None]
    help: str = ""


def commands_of(screen: BrowseScreen) -> list[Command]:
    """Everything that can be done on the screen as it is now."""
    return [command for source in SOURCES for command in source(screen)]


def _keys(screen: BrowseScreen) -> Iterator[Command]:
    """The keys, but those that only move."""
    for binding in remapped(keys.available(screen.options.policy.read_only), screen.keymap):
        if binding.group is not keys.MOVE and not (binding.id or "").startswith(("palette", "preset_")):
            words = f"{binding.description}: {binding.tooltip.split('. ')[0].rstrip('.')}"
            yield Command(words, partial(screen.run_action, binding.action), f"key {escape(display(binding.key))}")


def _presets(screen: BrowseScreen) -> Iterator[Command]:
    for number, text in screen.options.presets:
        yield Command(
            f"Filter {text}", partial(screen.action_preset, number), f"key {screen.key_of(f'preset_{number}')}"
        )


def _groupings(screen: BrowseScreen) -> Iterator[Command]:
    for name in GROUPINGS:
        now = "   (now)" if name == screen.view.grouping else ""
        yield Command(f"Group by {name}{now}", partial(screen.choose_grouping, name))


def _sorts(screen: BrowseScreen) -> Iterator[Command]:
    for name, sort in SORTS.items():
        now = "   (now)" if name == screen.view.sort else ""
        yield Command(f"Sort by {sort.title}{now}", partial(screen.choose_sort, name))


def _columns(screen: BrowseScreen) -> Iterator[Command]:
    """Those that can be switched off, each with what it will do now."""
    for choice in choices(screen.shown_tags.labelled):
        if choice.name and not choice.fixed:
            what = "Show" if choice.name in screen.view.hidden else "Hide"
            wanted = screen.view.hidden ^ {choice.name}
            yield Command(f"{what} column {choice.title}: {choice.about}", partial(screen.choose_columns, wanted))


def _themes(screen: BrowseScreen) -> Iterator[Command]:
    own = [name for name in themes.OWN if name in screen.app.available_themes]
    for name in [*own, *sorted(set(screen.app.available_themes) - set(own))]:
        now = "   (now)" if name == screen.app.theme else ""
        yield Command(f"Theme {name}{now}", partial(screen.choose_theme, name))


def _groups(screen: BrowseScreen) -> Iterator[Command]:
    """The groups the table shows, opened or not."""
    for line in screen.table.lines:
        if line.group is not None:
            name = " / ".join(one_line(part)[:NAME_WIDTH] for part in line.group.path)
            count = line.group.count
            yield Command(f"Go to group {name}", partial(_go, screen, line.group.path), f"{count} sessions")


def _go(screen: BrowseScreen, path: Path) -> None:
    if not screen.table.put_cursor_on(path):
        screen.tell("That group is gone", "warning")
    screen.show_keys()


SOURCES: tuple[Callable[[BrowseScreen], Iterator[Command]], ...] = (
    _keys,
    _presets,
    _groupings,
    _sorts,
    _columns,
    _themes,
    _groups,
)


class Commands(Provider):
    """Names are shown as they are, never as markup: some come from the server."""

    def __init__(self, screen: Screen[object], match_style: Style | None = None) -> None:
        super().__init__(screen, match_style)
        self._found: list[Command] = []

    async def startup(self) -> None:
        from pgtop_conn.tui.screen.browsing import BrowseScreen

        if isinstance(self.screen, BrowseScreen):
            self._found = commands_of(self.screen)

    async def discover(self) -> Hits:
        for command in self._found:
            yield DiscoveryHit(Content(command.name), command.run, text=command.name, help=command.help or None)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._found:
            if (score := matcher.match(command.name)) > 0:
                # Matcher.highlight() would read the name as markup.
                shown = Content(command.name)
                for at in matcher.fuzzy_search.match(query, command.name)[1]:
                    shown = shown.stylize(matcher.match_style, at, at + 1)
                yield Hit(score, shown, command.run, text=command.name, help=command.help or None)


class Palette(CommandPalette):
    """Without the picture of a lens, which not every terminal has."""

    DEFAULT_CSS = """
    Palette SearchIcon { display: none; }
    """


def palette() -> Palette:
    """The dialog to push."""
    return Palette(providers=[Commands], placeholder="A command, a grouping, a theme, or a group on the screen")
