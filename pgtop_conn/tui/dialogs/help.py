"""The help: every key with what it does to the server, made from the bindings themselves, as they are mapped now."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType

from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys import confirm, diagnosis, history
from pgtop_conn.tui.keys.dialogs import HELP
from pgtop_conn.tui.keys.names import display, remapped
from pgtop_conn.tui.widgets.line_view import RowList
from pgtop_conn.tui.widgets.pieces import Row, cut
from pgtop_conn.view.status.key_line import SIGNAL_IDS
from pgtop_conn.view.table.columns import Cell

#: Cells of the keys on the left.
KEY_WIDTH = 12
#: In the short list, where two columns have to fit on 80 cells.
SHORT_KEY_WIDTH = 9
#: Two that belong together are one line of the short list.
PAIRS = {
    "down": ("up", "One line down, up"),
    "page_down": ("page_up", "One page down, up"),
    "first": ("last", "The first line, the last"),
    "expand": ("collapse", "Open or step in, and out"),
    "sort": ("reverse", "Next order, turned round"),
    "next_grouping": ("previous_grouping", "Next, previous groups"),
    "copy_query": ("copy_signal", "Copy query, SQL to end it"),
    "earlier": ("later", "Step back in time, forward"),
    "slower": ("faster", "Ask less often, more often"),
    "scroll_right": ("scroll_left", "Columns right, left"),
}

SIGNS = "In the table: ● marked   ! asked about first   ⊘ refused by a guard, the detail of the session says why"
SHORT_SIGNS = "● marked   ! asks first   ⊘ refused by a guard"
#: The keys of whole screens of their own, under their headings.
DIALOGS = {
    "In the diagnosis (nothing is sent to the server)": diagnosis.KEYS,
    "In the history (nothing is sent to the server)": history.KEYS,
}

#: All of these are one line.
PRESET = "preset_"

#: Where the first clause of a tooltip ends.
_CLAUSE = re.compile(r"[.:;](?=\s|$)")


class Help(Dialog[None]):
    """One screen with a clause for each key; the key that opened it shows all the words."""

    # As much of a small terminal as there is.
    CSS = """
    Help #dialog { max-width: 100%; max-height: 100%; }
    Help #dialog-title { height: 1; }
    Help #dialog-hint { margin: 0; }
    """
    FRAME_LINES = 2
    BINDINGS: ClassVar[list[BindingType]] = [*HELP]

    def __init__(
        self,
        bindings: Sequence[Binding],
        *,
        remark: str,
        ascii_only: bool,
        keymap: Mapping[str, str] | None = None,
    ) -> None:
        """`bindings` are the screen's, as they are mapped; `keymap` maps those of dialogs; `remark` is below them."""
        super().__init__(RowList(id="dialog-body", wrap=KEY_WIDTH))
        self.id = "help"
        self._of_screen = bindings
        self._remark: list[Row] = [[Cell(remark, "warning")]] if remark else []
        self._ascii = ascii_only
        self._keymap = keymap or {}
        self._full = False

    def draw(self) -> None:
        self.set_title("Keys")
        if self._full:
            rows = help_rows(self._of_screen, self._keymap)
            self.show_rows([*rows, *self._remark, [], [Cell(self._signs(SIGNS), "dim")]])
        else:
            self.show_rows([*short_rows(self._of_screen, self.body.line_width), *self._remark])
        own = {binding.id: display(binding.key, 1) for binding in remapped(HELP, self._keymap)}
        self.set_hint(
            Cell(own["dialog_close"], "key"), Cell(" close   ", "dim"), Cell(own["help_words"], "key"),
            Cell(" the short list" if self._full else f" in full   {self._signs(SHORT_SIGNS)}", "dim"),
        )  # fmt: skip

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.draw()

    def _signs(self, text: str) -> str:
        return text.replace("●", "*").replace("⊘", "x") if self._ascii else text

    def action_close(self) -> None:
        self.dismiss()

    def action_words(self) -> None:
        self._full = not self._full
        self.body.scroll_to(y=0, animate=False, force=True)
        self.draw()


def help_rows(screen: Sequence[Binding], keymap: Mapping[str, str]) -> list[Row]:
    """The keys under their headings, with everything that is said of them."""
    rows: list[Row] = []
    for heading, bindings in _sections(screen):
        rows += [[], [Cell(heading, "header")]] if rows else [[Cell(heading, "header")]]
        rows += [_row(binding) for binding in bindings]
    if any(binding.id in SIGNAL_IDS for binding in screen):
        rows += [[], [Cell("In the question before a signal", "header")], *map(_row, remapped(confirm.KEYS, keymap))]
    for heading, keys in DIALOGS.items():
        rows += [[], [Cell(heading, "header")], *map(_row, remapped(keys, keymap))]
    return rows


def short_rows(screen: Sequence[Binding], width: int) -> list[Row]:
    """The keys of the screen in two columns, a clause for each."""
    column = max(SHORT_KEY_WIDTH + 8, (width - 1) // 2)
    sections = [_short_section(heading, bindings, column) for heading, bindings in _sections(screen)]
    half = (sum(map(len, sections)) + 1) // 2
    cells = [line for section in sections for line in section]
    if cells[half - 1][0].style == "header":
        half -= 1
    left, right = cells[:half], cells[half:]
    blank = (Cell(" " * column),)
    return [
        [*(left[at] if at < len(left) else blank), Cell(" "), *(right[at] if at < len(right) else ())]
        for at in range(max(len(left), len(right)))
    ]


def _short_section(heading: str, bindings: Sequence[Binding], column: int) -> list[tuple[Cell, ...]]:
    by_id = {binding.id: binding for binding in bindings}
    seconds = {PAIRS[name][0] for name in by_id if name in PAIRS}
    lines: list[tuple[Cell, ...]] = [(Cell(cut(heading, column), "header"),)]
    for binding in bindings:
        second, words = PAIRS.get(binding.id or "", ("", clause(binding)))
        if binding.id in seconds or (binding.id or "").startswith(PRESET):
            if binding.id == f"{PRESET}1":
                last = by_id.get(f"{PRESET}9", binding)
                lines.append(
                    _short(f"{display(binding.key, 1)} - {display(last.key, 1)}", "Filters of your own", column)
                )
            continue
        both = f"{display(binding.key, 1)} {display(by_id[second].key, 1)}" if second in by_id else ""
        lines.append(_short(both or _short_keys(binding), words, column))
    return lines


def _short_keys(binding: Binding) -> str:
    """As many of its keys as there is room for, the first always."""
    most = len(binding.key.split(","))
    while most > 1 and cell_len(display(binding.key, most)) >= SHORT_KEY_WIDTH:
        most -= 1
    return display(binding.key, most)


def _short(shown: str, words: str, column: int) -> tuple[Cell, ...]:
    shown = cut(shown, max(SHORT_KEY_WIDTH - 1, cell_len(shown))) + " "
    return Cell(shown, "key"), Cell(cut(words, column - cell_len(shown)))


def _sections(bindings: Sequence[Binding]) -> list[tuple[str, list[Binding]]]:
    found: dict[str, list[Binding]] = {}
    for binding in bindings:
        found.setdefault(binding.group.description if binding.group else "", []).append(binding)
    return list(found.items())


def clause(binding: Binding) -> str:
    """The first clause of what is said of a key."""
    return _CLAUSE.split(binding.tooltip, maxsplit=1)[0]


def _row(binding: Binding) -> Row:
    shown = display(binding.key)
    return [Cell(f"{shown:<{KEY_WIDTH - 1}} ", "key"), Cell(binding.tooltip)]
