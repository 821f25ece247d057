"""MonitorApp: the Textual application around the main screen, and run(), which the command line calls."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.source import Source
from pgtop_conn.tui.lineview import ASCII_CLASS
from pgtop_conn.tui.main import MainScreen
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.terminal import watched

log = logging.getLogger(__name__)

#: One accent; green, amber and red are kept for what they mean.
OWN_THEME = Theme(
    name="pgtop",
    primary="#6cb6ff",
    secondary="#b392f0",
    accent="#6cb6ff",
    success="#7fbf7f",
    warning="#e3b341",
    error="#ff6b6b",
    foreground="#d0d7de",
    background="#0d1117",
    surface="#161b22",
    panel="#21262d",
    dark=True,
    variables={"block-cursor-text-style": "none"},
)
#: Sixteen colours of the terminal's own.
PLAIN_THEME = "ansi-dark"

#: Without colours a theme of exact colours would only become greys.
NO_COLOR = "NO_COLOR"


class MonitorApp(App[int]):
    """Exits with 0 when the user leaves, 1 after an unexpected error."""

    CSS_PATH = "style.tcss"
    TITLE = "pgtop-conn"
    ENABLE_COMMAND_PALETTE = False
    # Our own keys are ? and the footer; Ctrl-Q and Ctrl-C leave from everywhere, also out of an input line.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+c,ctrl+q",
            "quit",
            "quit",
            id="quit_everywhere",
            tooltip="Leave from everywhere.",
            show=False,
            priority=True,
        ),
        # Whatever dialog is open: what is being sent stops first.
        Binding(
            "escape",
            "stop_signals",
            "stop",
            id="stop_signals",
            tooltip="Send no further signal.",
            show=False,
            priority=True,
        ),
    ]

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        plain = NO_COLOR in os.environ
        # With the terminal's own colours Textual leaves colours out; with others it would paint greys.
        super().__init__(ansi_color=True if plain else None)
        self.animation_level = "none"
        self.register_theme(OWN_THEME)
        theme = options.theme or (PLAIN_THEME if plain else OWN_THEME.name)
        if theme not in self.available_themes:
            raise BadInput(f"there is no theme {theme!r}; there are {', '.join(sorted(self.available_themes))}")
        self.theme = theme
        self.main = MainScreen(source, options)
        self.set_class(options.ascii, ASCII_CLASS)

    def get_default_screen(self) -> MainScreen:
        return self.main

    async def action_quit(self) -> None:
        self.exit(0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.main.signals.sending if action == "stop_signals" else True

    def action_stop_signals(self) -> None:
        self.main.stop_signals()

    async def finish(self) -> None:
        """No poll and no signal is left running."""
        await self.main.finish()

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


async def run(source: Source, options: ScreenOptions) -> int:
    """Show the monitor until the user leaves; the exit code. The source stays open and is asked nothing more.

    Raises BadInput for a theme that does not exist.
    """
    # Without a handler of ours Python writes warnings to standard error, over the screen.
    logging.getLogger("pgtop_conn").addHandler(logging.NullHandler())
    app = MonitorApp(source, options)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.call_soon_threadsafe(app.exit, 128 + signal.SIGHUP)

    with watched(leave), _ended_by_signals(loop, app):
        try:
            result = await app.run_async(mouse=options.mouse)
        finally:
            await app.finish()
    return 1 if result is None else result


@contextmanager
def _ended_by_signals(loop: asyncio.AbstractEventLoop, app: MonitorApp) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP leave in an orderly way, the terminal restored; an ignored signal stays ignored."""
    codes = {signal.SIGINT: 0, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGHUP: 128 + signal.SIGHUP}
    taken = [number for number in codes if signal.getsignal(number) is not signal.SIG_IGN]
    for number in taken:
        loop.add_signal_handler(number, app.exit, codes[number])
    try:
        yield
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
