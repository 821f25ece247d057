"""The command palette: commands found by their names. What it lists is in screen/palette_commands.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content


@dataclass(frozen=True, slots=True)
class PaletteCommand:
    """What is found, in words of ours or of the server, and what it does."""

    name: str
    run: Callable[[], Awaitable[object] | None]
    help: str = ""


class PaletteProvider(Provider):
    """Names are shown as they are, never as markup: some come from the server."""

    def _found(self) -> Sequence[PaletteCommand]:
        palette = self.app.screen
        return palette.commands if isinstance(palette, Palette) else ()

    async def discover(self) -> Hits:
        for command in self._found():
            yield DiscoveryHit(Content(command.name), command.run, text=command.name, help=command.help or None)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._found():
            if (score := matcher.match(command.name)) > 0:
                # Matcher.highlight() would read the name as markup.
                shown = Content(command.name)
                for at in matcher.fuzzy_search.match(query, command.name)[1]:
                    shown = shown.stylize(matcher.match_style, at, at + 1)
                yield Hit(score, shown, command.run, text=command.name, help=command.help or None)


class Palette(CommandPalette):
    """Lists `commands`; without the picture of a lens, which not every terminal has."""

    DEFAULT_CSS = """
    Palette SearchIcon { display: none; }
    """

    def __init__(self, commands: Sequence[PaletteCommand]) -> None:
        super().__init__(
            providers=[PaletteProvider], placeholder="A command, a grouping, a theme, or a group on the screen"
        )
        self.commands = commands
