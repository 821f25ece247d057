"""Desk: the screen as its controllers see it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from textual.screen import Screen

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.monitor.signal_queue import Severity
from pgtop_conn.tui.widgets.session_table import SessionTable

Result = TypeVar("Result")


class Desk(Protocol):
    """Messages, dialogs, work in the background, and drawing what the state says."""

    @property
    def table(self) -> SessionTable: ...

    def tell(self, text: str, severity: Severity = "information") -> None:
        """A message in the corner, once while it is there; never markup, it may hold names from the server."""
        ...

    def push(self, dialog: Screen[Result], answered: Callable[[Result | None], None] | None = None) -> None:
        """Open a dialog; `answered` gets what it is dismissed with."""
        ...

    def run(self, work: Coroutine[Any, Any, Any], name: str, *, alone: bool = False) -> None:
        """Work in the background; `alone` ends what was begun before by this name."""
        ...

    def end(self, name: str) -> None:
        """End the work that was begun by this name, alone."""
        ...

    def later(self, call: Callable[[], None]) -> None:
        """Call it once what was drawn is painted."""
        ...

    def copy(self, text: str) -> str:
        """Copy to the clipboard; what is to be said behind "copied"."""
        ...

    def key_of(self, name: str) -> str:
        """The first key of the binding with this id, for a sentence."""
        ...

    def polled(self, snapshot: Snapshot) -> None:
        """Take a poll in and show it."""
        ...

    def redraw(self) -> None:
        """Draw the lines above the table, and the table."""
        ...

    def redraw_gauges(self) -> None:
        """Draw the lines above the table."""
        ...

    def redraw_table(self) -> None:
        """Build the lines of the table, and draw what changed."""
        ...

    def redraw_keys(self) -> None:
        """Draw the keys that make sense where the cursor is, or how far the sending is."""
        ...
