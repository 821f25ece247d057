"""MonitorApp: the Textual application around the monitor's screen, and run(), which the command line calls."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import termios
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.constants import COLOR_SYSTEM
from textual.css.query import NoMatches
from textual.theme import Theme

from pgtop_conn.model.source import Source
from pgtop_conn.terminal.capabilities import Colours, colours
from pgtop_conn.terminal.hangup import watched
from pgtop_conn.terminal.interrupts import ended_by, given_back, screen_code
from pgtop_conn.terminal.writer import TerminalWriter
from pgtop_conn.tui.dialogs.decision import INPUT, DecidingDialog, Quiet
from pgtop_conn.tui.keys.application import APPLICATION
from pgtop_conn.tui.keys.names import remapped, split
from pgtop_conn.tui.keys.remapping import SCOPES
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.rendering.diff_app import DiffApp
from pgtop_conn.tui.rendering.driver import taking_over
from pgtop_conn.tui.rendering.gc_tuning import seldom_collected
from pgtop_conn.tui.rendering.held_terminal import HeldTerminal
from pgtop_conn.tui.rendering.job_control import IGNORED, NO_JOB_CONTROL, JobControl, in_foreground
from pgtop_conn.tui.screen.monitor_screen import MonitorScreen
from pgtop_conn.tui.theme import themes
from pgtop_conn.tui.widgets import too_small
from pgtop_conn.tui.widgets.line_view import ASCII_CLASS

#: Bindings that leave things as they are. They work before a dialog takes answers, where their key types nothing.
HARMLESS = frozenset({"quit_everywhere", "repaint", "stop_signals", "suspend", "confirm_no", "free_leave"})

log = logging.getLogger(__name__)

#: What Textual, too, knows no colours are asked for by.
NO_COLOR = "NO_COLOR"


class MonitorApp(DiffApp[int]):
    """Exits with 0 when the user leaves, 1 after an unexpected error."""

    CSS_PATH = "style.tcss"
    TITLE = "pgtop-conn"
    HORIZONTAL_BREAKPOINTS = too_small.WIDTHS
    VERTICAL_BREAKPOINTS = too_small.HEIGHTS
    ENABLE_COMMAND_PALETTE = False
    # Our own keys are ? and the footer; Ctrl-Q and Ctrl-C leave from everywhere, also out of an input line.
    BINDINGS: ClassVar[list[BindingType]] = [*APPLICATION]

    def __init__(
        self,
        source: Source,
        options: ScreenOptions,
        held: HeldTerminal | None = None,
        writer: TerminalWriter | None = None,
    ) -> None:
        """`writer` writes to the terminal; `held` is given where the first frame is on it."""
        # With the terminal's own colours Textual leaves colours out; with others it would paint greys.
        ansi_color = True if NO_COLOR in os.environ else None
        super().__init__(driver_class=None if writer is None else taking_over(held, writer), ansi_color=ansi_color)
        self.writer = writer
        #: After a stop: keys count again once the screen is back.
        self._back: Quiet | None = None
        self._stopping = JobControl(self._on_continue)
        self.animation_level = "none"
        self._options = options
        for theme in themes.OWN.values():
            self.register_theme(theme)
        found = Colours.NONE if NO_COLOR in os.environ else Colours.MANY
        self.theme = themes.chosen(options.theme, options.saved_theme, found, {})
        self._kept_theme = self.theme
        self.main = MonitorScreen(source, options)
        self.set_class(options.ascii, ASCII_CLASS)
        #: Keys that were typed on the first frame, before there was anything that could take them.
        self._early: list[events.Key] = []

    async def on_event(self, event: events.Event) -> None:
        """Keys wait until the screen is whole, and are then taken in the order they were typed in."""
        if isinstance(event, events.Key):
            if not self.main.whole:
                self._early.append(event)
                return
            await self.on_monitor_screen_whole()
        await self._take(event)

    async def _take(self, event: events.Event) -> None:
        """Keys that were typed for a shell, or before there was a dialog that decides something, are for nobody."""
        # A key comes here twice: as it was typed, and from the screen of that time when that had no use for it. By then
        # the key before it may have opened a dialog, whose bindings would be asked.
        if isinstance(event, INPUT):
            harmless = isinstance(event, events.Key) and not event.is_printable and event.key in self._harmless_keys
            if self._back is not None and not (self._back.takes(event.time) or harmless):
                self.main.tell(IGNORED, "warning")
                return
            if isinstance(self.screen, DecidingDialog) and not self.screen.takes(event, harmless):
                return
        await super().on_event(event)

    async def on_monitor_screen_whole(self) -> None:
        """Take what was typed too early."""
        while self._early:
            await self._take(self._early.pop(0))

    @cached_property
    def _harmless_keys(self) -> frozenset[str]:
        bindings = [binding for place in SCOPES.values() for binding in place if binding.id in HARMLESS]
        return frozenset(key for binding in remapped(bindings, self.main.keymap) for key in split(binding.key))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.inks(self.current_theme)

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        if self.writer is not None:
            self._stopping.take(self.action_suspend_process)

    def _remember_theme(self, theme: Theme) -> None:
        if theme.name != self._kept_theme:
            self._kept_theme = theme.name
            self._options.layout.save_theme(theme.name)

    def get_default_screen(self) -> MonitorScreen:
        return self.main

    async def action_quit(self) -> None:
        self.exit(0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.main.signals.sending if action == "stop_signals" else True

    def action_repaint(self) -> None:
        self.repaint()

    def action_suspend_process(self) -> None:
        """Stop as every program of a shell does; what is being sent is not sent when we come back."""
        if self._stopping.possible:
            self._stop(self._stopping.stop)
        else:
            self.main.tell(NO_JOB_CONTROL, "warning")

    def _stop(self, stop: Callable[[int], bool]) -> None:
        if self.writer is None or sys.__stdin__ is None or not sys.__stdin__.isatty():
            return
        descriptor = sys.__stdin__.fileno()
        self.main.signals.stop()
        with self.suspend():
            stopped = stop(descriptor)
        if not in_foreground(descriptor):
            # In the background of a shell that is gone.
            self.exit(128 + signal.SIGHUP)
            return
        self._back = back = Quiet()
        self.screen.call_after_refresh(self.when_on_terminal, back.shown)
        self.main.feed.poller.wake()
        if not stopped:
            self.main.tell(NO_JOB_CONTROL, "warning")

    def _on_continue(self) -> None:
        """Somebody else stopped us: the shell has used the terminal since. From a signal's handler."""
        self.call_later(self._stop, self._stopping.stay_in_foreground)

    def action_stop_signals(self) -> None:
        self.main.signals.stop()

    def give_signals_back(self) -> None:
        """The terminal is no longer ours to be stopped on."""
        if self.writer is not None:
            self._stopping.give_back()

    async def finish(self) -> None:
        """No poll and no signal is left running."""
        await self.main.finish()

    def _handle_exception(self, error: Exception) -> None:
        """Once we leave Textual mounts nothing any more: who then finds no child of its own has met no defect."""
        if self._exit and isinstance(error, NoMatches):
            log.info("left while the screen was being built: %s", type(error).__name__)
        else:
            super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """One line instead of Textual's traceback, which prints local variables; the log has the traceback without."""
        error = self._exception
        log.critical("unexpected error", exc_info=error)
        text = f"pgtop-conn: unexpected {_described(error)}; --log-file FILE records the details"
        self.panic(Text(text, no_wrap=True, overflow="ignore"))


def _described(error: BaseException | None) -> str:
    """The kind of the error and where; not its message, which may hold anything."""
    cause = error
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    inner = getattr(cause, "error", None)
    if isinstance(inner, BaseException):
        cause = inner
    if cause is None:
        return "unknown"
    frames = traceback.extract_tb(cause.__traceback__)
    where = f" in {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"{type(cause).__name__}{where}"


async def run(source: Source, options: ScreenOptions, held: HeldTerminal | None = None) -> int:
    """Show the monitor until the user leaves; the exit code. The source stays open and is asked nothing more.

    `held` is the terminal where the first frame is on it already.
    Raises BadInput for a theme that does not exist.
    """
    # Without a handler of ours Python writes warnings to standard error, over the screen.
    logging.getLogger("pgtop_conn").addHandler(logging.NullHandler())
    assert sys.__stderr__ is not None
    writer = TerminalWriter(sys.__stderr__.fileno()) if held is None else held.writer
    app = MonitorApp(source, replace(options, theme=_suitable_theme(options)), held, writer)
    if held is not None:
        app.begin_with(held.painted)
    loop = asyncio.get_running_loop()

    def gone() -> None:
        loop.call_soon_threadsafe(app.exit, 128 + signal.SIGHUP)

    with _watched(gone, app.exit, held, writer), seldom_collected():
        try:
            result = await app.run_async(mouse=options.mouse)
        finally:
            app.give_signals_back()
            await app.finish()
    return 1 if result is None else result


@contextmanager
def _watched(
    gone: Callable[[], None], leave: Callable[[int], None], held: HeldTerminal | None, writer: TerminalWriter
) -> Iterator[None]:
    """The terminal is looked at from one thread, from the first frame on, and given back when a signal ends us.

    `gone` is called from that thread, `leave` with the exit code that a signal asks for.
    """
    if held is not None:
        held.gone, held.leave = gone, leave
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(watched(gone))
        stack.enter_context(ended_by(lambda number: leave(screen_code(number))))
        if sys.__stdin__ is not None and sys.__stdin__.isatty():
            descriptor = sys.__stdin__.fileno()
            stack.enter_context(given_back(writer, descriptor, termios.tcgetattr(descriptor)))
        yield


def _suitable_theme(options: ScreenOptions) -> str:
    """What this terminal can show; where it has no colours Textual is told to leave them out."""
    console = Console(color_system=COLOR_SYSTEM, force_terminal=True)  # type: ignore[arg-type]
    found = colours(os.environ, console.color_system)
    if found is Colours.NONE:
        os.environ[NO_COLOR] = "1"
    return themes.chosen(options.theme, options.saved_theme, found, os.environ)
