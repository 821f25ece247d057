"""The lines of view for a terminal without a screen: cells to rich's text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console
from rich.text import Text

from pgtop_conn.view.format import plain
from pgtop_conn.view.table.columns import Cell

#: Style names of view to rich's.
STYLES = {
    "ok": "green",
    "warning": "yellow",
    "critical": "bold red",
    "alert": "bold red reverse",
    "growing": "yellow",
    "old": "yellow",
    "xact": "yellow",
    "aborted": "red",
    "blocked": "red",
    "active": "green",
    "faint": "dim",
    "dim": "dim",
    "bar": "cyan",
    "reserve": "dim",
    "protected": "magenta",
    "title": "bold",
    "count": "bold",
    "leak": "yellow",
    "key": "bold",
    "header": "dim",
    "marked": "bold",
}


#: Columns that no terminal has: more of them would only be blanks.
_NARROWEST, _WIDEST, _WITHOUT_TERMINAL = 20, 1000, 80


def capturing_console(width: int | None = None) -> Console:
    """For texts that are captured; without a width as wide as COLUMNS or the terminal says, within bounds.

    Rich itself takes whatever COLUMNS and LINES say, be it a million or no number.
    """
    return Console(file=None, width=width or _columns(), height=25, highlight=False, markup=False, emoji=False)


def _columns() -> int:
    text = os.environ.get("COLUMNS", "")
    if text.isascii() and text.isdigit():
        return max(_NARROWEST, int(text) if len(text) < len(str(_WIDEST)) else _WIDEST)
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            return max(_NARROWEST, min(os.get_terminal_size(descriptor).columns or _WITHOUT_TERMINAL, _WIDEST))
    return _WITHOUT_TERMINAL


def draws(encoding: str) -> bool:
    """Whether bars and arrows can be written."""
    try:
        "█▍░▓→≤·".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def rich_line(cells: Sequence[Cell], ascii_only: bool) -> Text:
    """A line; server text in it is never parsed as markup."""
    pieces = ((plain(cell.text) if ascii_only else cell.text, STYLES.get(cell.style, "")) for cell in cells)
    return Text.assemble(*pieces)
