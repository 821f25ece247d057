"""The lines of view for a terminal without a screen: cells to rich's text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from pgtop_conn.view.columns import Cell
from pgtop_conn.view.format import plain

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
