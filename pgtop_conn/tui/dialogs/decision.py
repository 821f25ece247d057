"""DecidingDialog: a dialog whose answer sends a signal, or leads to one. It takes no answer typed before it was shown.

Add such a dialog: inherit from DecidingDialog instead of Dialog. Nothing else is needed: the application hands it no
key before its time, and it is not dismissed with an answer before its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.await_complete import AwaitComplete
from textual.widget import Widget
from textual.widgets import Button

from pgtop_conn.tui.dialogs.base import Dialog, Result
from pgtop_conn.tui.widgets.line_view import CellBlock, RowList
from pgtop_conn.view.table.columns import Cell

if TYPE_CHECKING:
    from pgtop_conn.tui.rendering.diff_app import DiffApp

#: Seconds without input, after the terminal has got the frame, from which on an answer counts.
QUIET_S = 0.4
IGNORED = "Ignored keys typed before this dialog was shown. Press again."
#: What a user decides with. The mouse that only moves, and what the terminal says by itself, are none.
INPUT = (events.Key, events.Paste, events.MouseDown, events.MouseUp, events.Click)


class Quiet:
    """Input counts once what it answers was on the terminal and nothing was typed for QUIET_S after that.

    Times are of monotonic(), as those of Textual's events: when they were read, not when they were handled.
    """

    def __init__(self) -> None:
        self._shown_at = inf
        self._typed_at = -inf
        #: Whether input counts.
        self.over = False
        #: Whether the newest input came after a silence.
        self.paused = False

    def shown(self) -> None:
        """The terminal has got it now."""
        self._shown_at = monotonic()

    @property
    def is_shown(self) -> bool:
        """Whether the terminal has got what it answers."""
        return self._shown_at < inf

    def takes(self, at: float) -> bool:
        """Whether input that was read at `at` counts. What does not count begins the silence anew."""
        self.paused = at - self._typed_at >= QUIET_S
        self.over = self.over or (self.paused and at - self._shown_at >= QUIET_S)
        self._typed_at = at
        return self.over


class DecidingDialog(Dialog[Result]):
    """A dialog that ignores whatever was typed before it was shown, and says so."""

    def __init__(self, body: RowList) -> None:
        super().__init__(body)
        #: Whether an answer counts by now.
        self.quiet = Quiet()
        #: The newest event, which may come again, and whether it was handed on.
        self._judged: tuple[events.Event | None, bool] = (None, False)
        self._ignored = CellBlock(id="dialog-ignored")

    def above_hint(self) -> Iterator[Widget]:
        yield self._ignored

    def on_mount(self) -> None:
        self._ignored.show(lambda _width: [[Cell(IGNORED, "warning")]])
        super().on_mount()
        self.ask_again()

    def ask_again(self) -> None:
        """The question is another one: an answer counts once that was shown."""
        self.quiet = quiet = Quiet()
        app = cast("DiffApp[Any]", self.app)
        self.call_after_refresh(app.when_on_terminal, quiet.shown)

    def takes(self, event: events.Event, harmless: bool) -> bool:
        """Whether the application may hand this event on; what is `harmless` works from the start."""
        if not isinstance(event, INPUT):
            return True
        if event is not self._judged[0]:
            self._judged = event, self._judge(event, harmless)
        return self._judged[1]

    def _judge(self, event: events.Event, harmless: bool) -> bool:
        taken = self.quiet.takes(event.time) or harmless
        if isinstance(event, events.Key) and event.key == "enter" and isinstance(self.focused, Button):
            # A tab and the end of a line, as a paste has them, are no decision either.
            taken = taken and self.quiet.paused
        if not taken:
            self._say_ignored()
        return taken

    def _say_ignored(self) -> None:
        if not self._ignored.display:
            self._ignored.display = True
            self._fit()

    @property
    def lines_around(self) -> int:
        return super().lines_around + self._ignored.display

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Leave; with an answer only once answers count."""
        if result is None or self.quiet.over or self.quiet.takes(monotonic()):
            return super().dismiss(result)
        self._say_ignored()
        return AwaitComplete()
