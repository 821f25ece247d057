"""The diagnosis: what is wrong, most important first, with evidence and remedies to copy. Nothing is ever run."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from pgtop_conn.model.findings import Remedy
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.keys.diagnosis import BINDINGS
from pgtop_conn.tui.widgets.block_list import Block, BlockList
from pgtop_conn.tui.widgets.gauges import KeyLine
from pgtop_conn.tui.widgets.line_view import CellBlock, LineView, RowList
from pgtop_conn.tui.widgets.pieces import Pieces, Row, cut, flowing
from pgtop_conn.tui.widgets.too_small import TooSmall
from pgtop_conn.view.dialogs import diagnosis
from pgtop_conn.view.dialogs.diagnosis import Section
from pgtop_conn.view.status.server_lines import clock
from pgtop_conn.view.table.columns import Cell

#: Cells of the words on the left of the list.
WORD_WIDTH, TITLE_WIDTH = 9, 20
#: Lines of a remedy begin at four cells, and go on two further right.
REMEDY_WRAP = 6
#: The list takes at most one of so many parts of the height.
LIST_PART = 3


class FindingList(RowList):
    """Its cursor has the colour while keys move it, and a sign otherwise."""

    active = True

    def pieces(self, index: int, width: int) -> Pieces:
        *head, summary = self.row(index)
        sign = "▸" if index == self.cursor and not self.active else " "
        room = max(0, width - 1 - sum(cell_len(cell.text) for cell in head))
        return flowing([Cell(sign, "title"), *head, Cell(cut(summary.text, room), summary.style)], width)

    def is_cursor(self, index: int) -> bool:
        return self.active and super().is_cursor(index)


class Diagnosis(Dialog[str | None]):
    """Dismissed with a filter that shows a finding's sessions, or None. `sections` is asked for at every poll."""

    BINDINGS: ClassVar[list[BindingType]] = [*BINDINGS]

    def __init__(
        self,
        sections: Callable[[], list[Section]],
        snapshot: Snapshot,
        state: Callable[[], str],
        report: Callable[[], None],
    ) -> None:
        """`state` says in words whether settings and log are read; `report` writes the report."""
        self._findings = FindingList(id="diagnosis-list", cursor=True)
        super().__init__(self._findings)
        self._diagnose = sections
        self._sections = sections()
        self._at = snapshot.taken_at
        self._state = state
        self._report = report
        self._paused = False
        #: Until the user has chosen, the most important finding is shown, whichever that is.
        self._picked = False
        self._rule = CellBlock(id="diagnosis-rule")
        self._text = BlockList(id="diagnosis-text")
        self._keys = KeyLine(id="diagnosis-keys")

    def compose(self) -> ComposeResult:
        with Vertical(id="diagnosis"):
            yield self.headline
            yield self._findings
            yield self._rule
            yield self._text
            yield self._keys
        yield TooSmall()

    @property
    def section(self) -> Section:
        """The one whose text is shown."""
        return self._sections[min(self._findings.cursor or 0, len(self._sections) - 1)]

    @property
    def held(self) -> str:
        """Why it does not go on with the polls, in words; '' while it does."""
        if self._paused:
            return "HELD, p goes on"
        return "held while it is read" if self._text.active or self._text.scrolled else ""

    # What the polls bring.

    def renew(self, snapshot: Snapshot) -> None:
        if not self.held:
            self._at = snapshot.taken_at
            self.diagnose_again()
        else:
            self._draw_headline()

    def facts_changed(self) -> None:
        """Settings and log have come, or are being read."""
        if self._composed and not self._paused:
            self.diagnose_again()

    def diagnose_again(self) -> None:
        """What the user chose stays on its finding; where that no longer holds, on its line."""
        before = self.section
        self._sections = self._diagnose()
        found = diagnosis.find_again(before, self._sections) if self._picked else 0
        if found is not None:
            self._findings.cursor = found
        self.draw()

    # What is shown.

    def draw(self) -> None:
        self._draw_headline()
        self._findings.show([finding_line(section) for section in self._sections])
        section = self.section
        title = f"{section.title} " if section.finding is None else f"{section.title}, {section.word.lower()} "
        before = [Cell("─ ", "faint"), Cell(title, "header")]
        self._rule.show(lambda width: [[*before, Cell("─" * (width - 2 - cell_len(title)), "faint")]])
        self._text.show(blocks_of(section))
        self._fit()
        self._keys.show_bindings(self._useful_keys())

    def _draw_headline(self) -> None:
        count = sum(1 for section in self._sections if section.finding is not None)
        title = f" Diagnosis   {count} finding{'' if count == 1 else 's'}"
        if not count:
            title = f" Diagnosis   {self._sections[0].title}"
        held, state = f"   {self.held}" if self.held else "", Cell(f"   {self._state()}", "dim")
        cells = [Cell(title, "title"), Cell(f"   {clock(self._at)}", "dim"), Cell(held, "warning")]
        length = sum(len(cell.text) for cell in (*cells, state))
        # Where there is no room for both, why it stands still is worth more.
        self.headline.show(lambda width: [cells if held and length > width else [*cells, state]])

    def _useful_keys(self) -> list[Binding]:
        shown = [one for one in self.BINDINGS if isinstance(one, Binding) and one.show]
        remedies, finding = bool(self.section.remedies), self.section.finding
        useful = {
            "diagnosis_into": remedies,
            "diagnosis_copy": remedies,
            "diagnosis_sessions": finding is not None and bool(diagnosis.filter_of(finding)),
        }
        return [one for one in shown if useful.get(one.id or "", True)]

    def _fit(self) -> None:
        wanted = min(len(self._sections), max(3, (self.size.height - 3) // LIST_PART))
        current = self._findings.styles.height
        if current is None or current.value != wanted:
            self._findings.styles.height = wanted

    # Keys.

    def action_move(self, lines: int) -> None:
        if self._text.active:
            self._text.move(lines)
            return
        was = self._findings.cursor
        self._findings.move(lines)
        self._picked = True
        if self._findings.cursor != was:
            self._text.to_top()
            self.draw()

    def action_page(self, pages: int) -> None:
        self._text.page_by(pages)
        self._draw_headline()

    def action_into(self) -> None:
        if self.section.remedies:
            self._focus_text(True)

    def action_back(self) -> None:
        self._focus_text(False)

    def _focus_text(self, text: bool) -> None:
        self._picked |= text
        self._findings.active = not text
        self._findings.repaint_changed()
        self._text.activate(text)
        if not text:
            self._text.to_top()
        self._draw_headline()

    def action_close(self) -> None:
        if self._text.active:
            self._focus_text(False)
        else:
            self.dismiss(None)

    def action_outside(self, action: str) -> None:
        """A key of the screen below, whichever it is there: close, and do what it does."""
        self.dismiss(None)
        self.app.call_after_refresh(self.app.get_default_screen().run_action, action)

    def action_hold(self) -> None:
        self._paused = not self._paused
        if self._paused:
            self._draw_headline()
        else:
            self._focus_text(False)
            self.diagnose_again()

    def action_copy(self) -> None:
        remedy = self.remedy
        if remedy is None:
            self.notify("Nothing to copy here", severity="warning", markup=False)
            return
        where = copy(self.app, remedy.text)
        first, *others = remedy.text.strip().split("\n")
        more = f" and {len(others)} more lines" if others else ""
        self.notify(f"Copied: {first}{more}{where}", markup=False)

    @property
    def remedy(self) -> Remedy | None:
        """The one that is chosen."""
        return next((one for one in self.section.remedies if _key(one) == self._text.chosen), None)

    def action_sessions(self) -> None:
        finding = self.section.finding
        words = diagnosis.filter_of(finding) if finding is not None else ""
        if words:
            self.dismiss(words)
        else:
            self.notify("This is about no sessions in particular", severity="warning", markup=False)

    def action_report(self) -> None:
        self._report()

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        if event.view is self._text:
            self._text.choose_line(event.index)
        elif event.index != self._findings.cursor:
            self._findings.cursor = event.index
            self._picked = True
            self._focus_text(False)
            self.draw()


def finding_line(section: Section) -> Row:
    return [
        Cell(f"{section.word:<{WORD_WIDTH}}", section.style),
        Cell(f"{section.title:<{TITLE_WIDTH}} ", "count" if section.finding else "dim"),
        Cell(section.summary),
    ]


def blocks_of(section: Section) -> list[Block]:
    """The summary and its evidence, then each remedy."""
    head: list[Row] = [[Cell(section.summary, "count")]]
    blocks = [Block(head)] + ([Block(section.rows, wrap=section.wrap)] if section.rows else [])
    if section.remedies and section.finding is not None:
        blocks.append(Block([[Cell("Remedies, to copy; this program runs none of them", "header")]]))
    numbered = enumerate(section.remedies, 1)
    return blocks + [
        Block(diagnosis.remedy_rows(number, remedy), _key(remedy), REMEDY_WRAP) for number, remedy in numbered
    ]


def _key(remedy: Remedy) -> tuple[str, ...]:
    return (remedy.kind, remedy.text)
