"""The question before a signal: who, what is left alone and why, what it gives back. Polls go on behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Button, Input

from pgtop_conn.model.guards import Policy
from pgtop_conn.model.plan import Ask, Excluded, Plan, Planned
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.text import one_line
from pgtop_conn.tui.dialogs import SCROLLING, Dialog
from pgtop_conn.tui.lines import OneLine, Row
from pgtop_conn.tui.lineview import CellBlock, RowList
from pgtop_conn.tui.signals import narrowed
from pgtop_conn.view import plans
from pgtop_conn.view.columns import Cell


class Confirm(Dialog[Plan | None]):
    """Dismissed with the plan as it stands when it is confirmed, or with None. Focus starts on No."""

    FRAME_LINES = 11
    BINDINGS: ClassVar[list[BindingType]] = [
        *(binding for binding in SCROLLING if binding.id not in ("dialog_top", "dialog_end", "dialog_page_down")),
        Binding("pagedown", "page(1)", "page down", id="confirm_page_down", tooltip="One page down.", show=False),
        Binding("y", "yes", "yes", id="confirm_yes", tooltip="Send the signals."),
        Binding("n,escape", "no", "no", id="confirm_no", tooltip="Send nothing."),
        Binding("left,right,tab,shift+tab", "other", "other", id="confirm_other", tooltip="To the other button."),
    ]

    def __init__(self, plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
        super().__init__(RowList(id="dialog-body", wrap=10))
        self.plan = plan
        self._first = plan.planned
        self._snapshot = snapshot
        self._policy = policy
        self._headroom = CellBlock(id="confirm-headroom")
        self._prompt = CellBlock(id="confirm-prompt")

    def below(self) -> Iterator[Widget]:
        yield self._headroom
        yield self._prompt
        with Horizontal(id="confirm-answer"):
            yield Input(id="answer", compact=True, select_on_focus=False)
            yield Button("No", id="no", compact=True)
            yield Button("Yes", id="yes", compact=True)

    def on_mount(self) -> None:
        super().on_mount()
        self._ask()

    def renew(self, snapshot: Snapshot) -> None:
        """Strike out what left or changed; what was typed is asked anew when it is no longer what is needed."""
        before, self.plan = self.plan, narrowed(self.plan, snapshot, self._policy)
        self._snapshot = snapshot
        self.draw()
        if _needed(before) != _needed(self.plan):
            self._ask()

    def draw(self) -> None:
        plan = self.plan
        self.set_title(plans.title(plan), "title" if plan.planned else "warning")
        self.show_rows(self._rows())
        self._headroom.show(lambda _width: [plans.headroom(plan) if plan.planned else []])
        self._prompt.show(lambda _width: [[Cell(plans.prompt(plan) if plan.planned else "", "count")]])
        self.set_hint(
            *(
                [Cell("Esc", "key"), Cell(" leave everything as it is")]
                if plan.planned and plan.ask is not Ask.YES
                else []
            )
        )

    def _rows(self) -> list[Row]:
        plan, at = self.plan, self._snapshot.taken_at
        facts: list[Row] = [*plans.breakdown(plan), plans.ages(plan, at)]
        facts += [*plans.cautions(plan), *plans.exclusions(plan)]
        planned = {item.target.key: item for item in plan.planned}
        left = {item.target.key: item for item in plan.excluded}
        sessions: list[Row] = []
        for item in self._first:
            still = planned.get(item.target.key)
            row = plans.session_line(still, at) if still else _struck(item, left.get(item.target.key))
            sessions.append(OneLine(row) if still else row)
        own = {item.target.key for item in self._first}
        others = [_left_alone(item) for key, item in left.items() if key not in own]
        return [*(row for row in facts if row), [], *sessions, *others]

    def _ask(self) -> None:
        """Show what the answer is given with, empty, the focus where nothing happens by accident."""
        plan = self.plan
        answer = self.query_one("#answer", Input)
        no, yes = self.query_one("#no", Button), self.query_one("#yes", Button)
        typed = bool(plan.planned) and plan.ask is not Ask.YES
        answer.display = typed
        answer.value = ""
        yes.display = bool(plan.planned) and not typed
        no.display = not typed
        no.label = "No" if plan.planned else "OK"
        (answer if typed else no).focus()

    def action_yes(self) -> None:
        if self.plan.planned and self.plan.ask is Ask.YES:
            self.dismiss(self.plan)

    def action_no(self) -> None:
        self.dismiss(None)

    def action_other(self) -> None:
        no, yes = self.query_one("#no", Button), self.query_one("#yes", Button)
        if yes.display:
            (yes if no.has_focus else no).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.action_no()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        plan = self.plan
        if plan.planned and plan.ask is not Ask.YES and event.value == plan.answer:
            self.dismiss(plan)
            return
        self._prompt.show(lambda _width: [[Cell(f"That is not it. {plans.prompt(plan)}", "warning")]])


def _needed(plan: Plan) -> tuple[Ask, str, bool]:
    """What confirms the plan; typed text counts only as long as this stays the same."""
    return plan.ask, plan.answer, bool(plan.planned)


def _struck(item: Planned, why: Excluded | None) -> Row:
    target = item.target
    reason = "; ".join(why.reasons) if why else "no longer planned"
    who = f"{one_line(target.role)}  {one_line(target.app)}  {target.client}"
    return [Cell(f"{target.key.pid:>8}  {who}", "struck"), Cell(f"  {reason}", "warning")]


def _left_alone(item: Excluded) -> Row:
    target = item.target
    who = f"{one_line(target.role)}  {one_line(target.app)}  {target.client}"
    return [Cell(f"{target.key.pid:>8}  {who}", "faint"), Cell(f"  left alone: {'; '.join(item.reasons)}", "protected")]
