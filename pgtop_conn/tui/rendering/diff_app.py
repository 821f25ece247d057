"""DiffApp: an application that sends only the cells that changed. The one user of Textual's insides.

Textual 8.2 sends a dirty span from the first column of its widget to the end. Here what it is about to send is compared
with what the terminal shows. `usable()` tries what is used of Textual; where that is not as expected, all is as Textual
has it.
"""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from textual import events
from textual.app import App, ReturnType
from textual.geometry import Region
from textual.strip import Strip

from pgtop_conn.terminal.writer import TerminalWriter
from pgtop_conn.tui.rendering.cell_buffer import CellBuffer, Placed
from pgtop_conn.tui.rendering.first_frame import Painted

if TYPE_CHECKING:
    from textual.screen import Screen


def _insides() -> Any:
    """The module whose updates are compared; an empty one where Textual has it no more."""
    try:
        return import_module("textual._compositor")
    except ImportError:
        return SimpleNamespace()


_compositor = _insides()
_Update: Any = getattr(_compositor, "CompositorUpdate", object)

#: Synchronized output: the terminal shows what is between all at once.
SYNC_START, SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
#: What App._display is called with.
_DISPLAY_PARAMETERS = ["self", "screen", "renderable"]
#: The brackets of an update, and whether the terminal knows them.
_BRACKETS = ("_begin_update", "_end_update")


class DiffApp(App[ReturnType]):
    """Remembers what the terminal shows. Forgets it whenever something else may have written there.

    A terminal that has not taken the last frames gets no further ones; once it has, it gets what is missing at once.
    """

    #: What puts frames on the terminal; None where there is no terminal.
    writer: TerminalWriter | None = None
    #: Whether a frame was left out, and what waits for it to be there.
    _missed = False

    #: What the terminal shows; None while that is not known.
    shown: CellBuffer | None = None
    _shown_screen: Screen[Any] | None = None
    _comparing = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._waiting: list[Callable[[], None]] = []

    def when_on_terminal(self, call: Callable[[], None]) -> None:
        """Call it once the terminal has got what the screen shows now."""
        if self._missed:
            self._waiting.append(call)
        elif self.writer is None:
            call()
        else:
            self.writer.when_written(_from_thread(call))

    def _catch_up(self) -> None:
        """Send what is missing, which is told by what the terminal has."""
        self._missed = False
        waiting, self._waiting = self._waiting, []
        self.screen.refresh()
        for call in waiting:
            self.screen.call_after_refresh(self.when_on_terminal, call)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if self.writer is not None and self.writer.behind:
            if not self._missed:
                self._missed = True
                self.writer.when_written(_from_thread(self.call_later, self._catch_up))
            return
        if self._shown_screen is not self.screen:
            # A dialog that opens or closes paints all anew, and with that mends whatever another program wrote there.
            self.shown = self.shown if self._shown_screen is None else None
            self._shown_screen = self.screen
        if usable() and isinstance(renderable, (_compositor.LayoutUpdate, _compositor.ChopsUpdate)):
            self._comparing = True
            renderable = ChangedCells(self, renderable)
        elif renderable is not None:
            self.shown = None
        try:
            super()._display(screen, renderable)
        finally:
            self._comparing = False

    def _begin_update(self) -> None:
        # Each write wakes the thread that writes: what is compared carries its brackets in itself.
        if not self._comparing:
            super()._begin_update()

    def _end_update(self) -> None:
        if not self._comparing:
            super()._end_update()

    def changes(self, update: Any, colours: ColorSystem) -> str:
        """What to send for an update, taken as sent from then on."""
        sent = self.frame(colours).changes(placed_in(update))
        return f"{SYNC_START}{sent}{SYNC_END}" if sent and getattr(self, "_sync_available", False) else sent

    def frame(self, colours: ColorSystem) -> CellBuffer:
        """What the terminal shows, of the size the screen has now."""
        size = self.size
        if self.shown is None or self.shown.size != size or self.shown.colours != colours:
            self.shown = CellBuffer(size.width, size.height, colours)
        return self.shown

    def begin_with(self, painted: Painted) -> None:
        """The whole terminal shows this already, before the application is started."""
        width = sum(len(text) for text, _ in painted[0])
        self.shown = CellBuffer(width, len(painted), _colours_of(self.console))
        self.shown.take(painted)

    def on_mount(self) -> None:
        self.app_resume_signal.subscribe(self, self.repaint)

    def on_resize(self, _event: events.Resize) -> None:
        # Also where the size is the same again: what the terminal did to its lines meanwhile is unknown. Before the
        # first paint they are the driver's, which tells the size it begins with, twice.
        if self._shown_screen is not None:
            self.repaint()

    def repaint(self, _app: object = None) -> None:
        """Send every cell anew."""
        self.shown = None
        self.screen.refresh()


class ChangedCells(_Update):  # type: ignore[misc]
    """An update that is compared at the moment it is sent: one that Textual drops has not changed the terminal."""

    def __init__(self, app: DiffApp[Any], update: Any) -> None:
        self._app = app
        self._update = update

    def render_segments(self, console: Console) -> str:
        return self._app.changes(self._update, _colours_of(console))


def _from_thread(call: Callable[..., object], *arguments: object) -> Callable[[], None]:
    """The same, to be called from any thread: it happens on the loop that runs now, as long as that lives."""
    loop = asyncio.get_running_loop()

    def called() -> None:
        try:
            loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            # It is closed: nobody waits for the terminal any more.
            return

    return called


def _colours_of(console: Console) -> ColorSystem:
    return getattr(console, "_color_system", None) or ColorSystem.TRUECOLOR


def placed_in(update: Any) -> Iterator[Placed]:
    """The strips of an update, and where they are."""
    if isinstance(update, _compositor.LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            for strip in strips:
                yield y, x, strip
                x += strip.cell_length
        return
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            # Outside the span a strip may be of a widget that another one covers.
            if strip is not None and x < right and end > left:
                yield y, x, strip


@cache
def usable() -> bool:
    """Whether Textual's updates are what they are taken for: read by us and by itself they are the same."""
    try:
        if list(inspect.signature(App._display).parameters) != _DISPLAY_PARAMETERS:
            return False
        if any(list(inspect.signature(getattr(App, name)).parameters) != ["self"] for name in _BRACKETS):
            return False
        strips = [Strip([Segment("ab")]), Strip([Segment("cd")])]
        console = Console(file=io.StringIO(), color_system=None)
        layout = _compositor.LayoutUpdate([iter(strips)], Region(0, 0, 4, 1))
        chops = _compositor.ChopsUpdate([{0: strips[0], 2: strips[1]}], [(0, 2, 4)], [[2, 4]])
        return (
            [*placed_in(layout)] == [(0, 0, strips[0]), (0, 2, strips[1])]
            and [*placed_in(chops)] == [(0, 2, strips[1])]
            and "cd" in chops.render_segments(console)
            and "ab" not in chops.render_segments(console)
        )
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):
        return False
