"""The question before a signal: who, what is left alone and why, what it gives back. Polls go on behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Button, Input

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import GONE, Ask, Excluded, Plan, Planned, make_plan
from pgtop_conn.model.snapshot import HOST_DOOR, BackendKey, Snapshot
from pgtop_conn.model.source import WHATEVER, Action, Target
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.monitor.signal_queue import Decision
from pgtop_conn.tui.dialogs.base import AnswerInput
from pgtop_conn.tui.dialogs.decision import DecidingDialog
from pgtop_conn.tui.keys.confirm import BINDINGS
from pgtop_conn.tui.keys.names import display
from pgtop_conn.tui.widgets.line_view import CellBlock, RowList
from pgtop_conn.tui.widgets.pieces import OneLine, Row
from pgtop_conn.tui.widgets.too_small import too_small
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.dialogs.session_row import remarked
from pgtop_conn.view.table.columns import Cell

#: How a choice begins that "all but the newest" makes sense for; marks and the cursor were chosen one by one.
SETS = ("group ", "filter ")
#: What a single choice has no use for, and what a line of text keeps for itself.
OPTIONS = frozenset({"keep", "escalate", "reason", "busy"})


class Confirm(DecidingDialog[Decision | None]):
    """Dismissed with the plan as it stands when it is confirmed, or with None. Focus starts on No."""

    FRAME_LINES = 11
    BINDINGS: ClassVar[list[BindingType]] = [*BINDINGS]

    def __init__(self, decision: Decision, snapshot: Snapshot, policy: Policy, escalate_after_s: float) -> None:
        super().__init__(RowList(id="dialog-body", wrap=10))
        self.plan = decision.plan
        self._escalate_after_s = escalate_after_s
        self._can_escalate = self.plan.action is Action.CANCEL or decision.escalate_after_s is not None
        self._escalating = decision.escalate_after_s is not None
        self._keep = len(self.plan.kept)
        self._busy_keys = _in_use(self.plan, snapshot)
        self._busy = any(target.busy for target in self.plan.chosen)
        self._reason = next((target.reason for target in self.plan.targets), "")
        #: Whoever was left alone once, for another reason than being among the newest, stays so.
        self._out: dict[BackendKey, Excluded] = {}
        self._note_out()
        self._first = self.plan.planned
        self._snapshot = snapshot
        self._policy = policy
        self._headroom = CellBlock(id="confirm-headroom")
        self._prompt = CellBlock(id="confirm-prompt")

    def below(self) -> Iterator[Widget]:
        yield self._headroom
        with Horizontal(id="confirm-reason"):
            yield CellBlock(id="reason-label")
            yield Input(id="reason", compact=True, select_on_focus=False, max_length=200)
        yield self._prompt
        with Horizontal(id="confirm-answer"):
            yield AnswerInput(id="answer", compact=True, select_on_focus=False)
            yield Button("No", id="no", compact=True)
            yield Button("Yes", id="yes", compact=True)

    def on_mount(self) -> None:
        self._reason_input.value = self._reason
        self.query_one("#reason-label", CellBlock).show(lambda _width: [[Cell("reason", "dim")]])
        self._show_reason(bool(self._reason))
        super().on_mount()
        self._ask()

    @property
    def decision(self) -> Decision:
        """What is sent when it is confirmed now, each target with the reason for the journal."""
        planned = tuple(replace(item, target=replace(item.target, reason=self._reason)) for item in self.plan.planned)
        return Decision(replace(self.plan, planned=planned), self._after_s)

    @property
    def _after_s(self) -> float | None:
        return self._escalate_after_s if self._escalating else None

    # What is planned.

    def renew(self, snapshot: Snapshot) -> None:
        """Strike out what left or changed; what was typed is asked anew when it is no longer what is needed."""
        self._snapshot = snapshot
        before = self.plan
        self._take(self.plan.narrowed(snapshot, self._policy))
        if _needed(before) != _needed(self.plan):
            self.ask_again()

    def _take(self, plan: Plan) -> None:
        before, self.plan = self.plan, plan
        self._note_out()
        self.draw()
        if _needed(before) != _needed(plan):
            self._ask()

    def _note_out(self) -> None:
        for item in self.plan.excluded:
            if item.dropped or item.target.key not in self.plan.kept:
                self._out.setdefault(item.target.key, item)

    def _planned_anew(self, action: Action) -> None:
        """Another number of kept ones, or another action; nobody who was left alone comes back by it."""
        plan = self.plan
        chosen = [target for target in plan.chosen if target.key not in self._out]
        newer = make_plan(action, chosen, self._snapshot, self._policy, bulk=plan.bulk, keep_newest=self._keep)
        known = {item.target.key for item in self._first}
        self._first += tuple(item for item in newer.planned if item.target.key not in known)
        self._take(replace(newer, chosen=plan.chosen, excluded=(*self._out.values(), *newer.excluded)))

    @property
    def _can_keep(self) -> bool:
        return self.plan.bulk and all(target.chosen_by.startswith(SETS) for target in self.plan.chosen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action not in OPTIONS:
            return True
        if self._reason_input.has_focus or (self.plan.planned and self.plan.ask is Ask.TYPE_ROLE):
            return False
        can_bind = bool(self._busy_keys) and self.plan.action is Action.TERMINATE
        possible = {"keep": self._can_keep, "escalate": self._can_escalate, "busy": can_bind}
        return possible.get(action, bool(self.plan.planned))

    def action_keep(self, step: int) -> None:
        possible = [target for target in self.plan.chosen if target.key not in self._out]
        keep = min(max(0, self._keep + step), max(0, len(possible) - 1))
        if keep != self._keep:
            self._keep = keep
            self._planned_anew(self.plan.action)

    def action_escalate(self) -> None:
        self._escalating = not self._escalating
        self._planned_anew(Action.TERMINATE if self._escalating else Action.CANCEL)

    def action_busy(self) -> None:
        """Bind those in use to who they are, or to their statements again; who only ran another one comes back."""
        self._busy = not self._busy
        for key in self._busy_keys:
            item = self._out.get(key)
            if item is not None and item.dropped and item.reasons[0] != GONE:
                del self._out[key]
        chosen = tuple(self._bound(target) for target in self.plan.chosen)
        self.plan = replace(self.plan, chosen=chosen)
        self._planned_anew(self.plan.action)

    def _bound(self, target: Target) -> Target:
        now = self._snapshot.by_key.get(target.key)
        if target.key not in self._busy_keys or now is None:
            return target
        chosen_by = target.chosen_by.removesuffix(WHATEVER) + (WHATEVER if self._busy else "")
        # What it writes now is shown and asked about.
        wrote = now.wrote if self._busy else target.wrote
        return replace(target, busy=self._busy, wrote=wrote, chosen_by=chosen_by)

    # What is shown.

    def draw(self) -> None:
        plan = self.plan
        self.set_title(plans.title(plan, self._after_s), "title" if plan.planned else "warning")
        self.show_rows(self._rows())
        given = plans.relief_of(plan, self._snapshot)
        self._headroom.show(lambda _width: [plans.headroom(plan, given) if plan.planned else []])
        self._prompt.show(lambda _width: [[Cell(self._asks() if plan.planned else "", "count")]])
        self.set_hint(*self._hint())

    def _asks(self) -> str:
        return plans.prompt(self.plan, *(self._key_of(name) for name in ("confirm_yes", "confirm_no")))

    def _key_of(self, name: str) -> str:
        """The keys of one of our bindings, as they are mapped now."""
        keys = [key for key, bound in self.active_bindings.items() if bound.binding.id == name]
        return " or ".join(display(key) for key in keys)

    def _hint(self) -> list[Cell]:
        """The keys that change what is sent, as far as they do something now."""
        plan = self.plan
        if not (plan.planned or self._keep or self._busy_keys):
            return []
        cells = [] if plan.ask is Ask.YES else [Cell("Esc", "key"), Cell(" leave everything   ", "dim")]
        if self.check_action("keep", ()):
            cells += [Cell("+ -", "key"), Cell(f" keep the newest: {self._keep}   ", "dim")]
        if self.check_action("escalate", ()):
            does = "cancel only" if self._escalating else f"then terminate after {self._escalate_after_s:g} s"
            cells += [Cell("e", "key"), Cell(f" {does}   ", "dim")]
        if plan.planned:
            key = "Tab" if plan.ask is Ask.TYPE_ROLE else "r"
            cells += [Cell(key, "key"), Cell(" reason   ", "dim")]
        if self.check_action("busy", ()):
            cells += [Cell("B", "key"), Cell(" this query only" if self._busy else " any query", "dim")]
        return cells

    def _rows(self) -> list[Row]:
        plan, at = self.plan, self._snapshot.taken_at
        facts: list[Row] = [*plans.breakdown(plan), plans.ages(plan, at)]
        if any(target.busy for target in plan.targets):
            facts.append([Cell("! whatever they run by then, if role and application are the same", "warning")])
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

    # The answer.

    def _ask(self) -> None:
        """Show what the answer is given with, empty, the focus where nothing happens by accident."""
        plan = self.plan
        answer = self.query_one("#answer", AnswerInput)
        no, yes = self.query_one("#no", Button), self.query_one("#yes", Button)
        typed = bool(plan.planned) and plan.ask is not Ask.YES
        answer.display = typed
        answer.value = ""
        answer.digits_only = plan.ask is Ask.TYPE_COUNT
        yes.display = bool(plan.planned) and not typed
        no.display = not typed
        no.label = "No" if plan.planned else "OK"
        if not self._reason_input.has_focus:
            (answer if typed else no).focus()

    def action_yes(self) -> None:
        if self._reason_input.has_focus:
            self._keep_reason()
        if self.plan.planned and self.plan.ask is Ask.YES:
            self._decide()

    def _decide(self) -> None:
        # Nobody answers what can't be read.
        if not too_small(self.size):
            self.dismiss(self.decision)

    def action_no(self) -> None:
        """Out of the line for the reason, as it was; else out of the dialog."""
        if self._reason_input.has_focus:
            self._reason_input.value = self._reason
            self._leave_reason()
        else:
            self.dismiss(None)

    def action_other(self) -> None:
        no, yes = self.query_one("#no", Button), self.query_one("#yes", Button)
        if self._reason_input.has_focus:
            self._keep_reason()
        elif self.plan.planned and self.plan.ask is not Ask.YES:
            self.action_reason()
        elif yes.display:
            (yes if no.has_focus else no).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.dismiss(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        plan = self.plan
        if event.input is self._reason_input:
            self._keep_reason()
        elif plan.planned and plan.ask is not Ask.YES and event.value == plan.answer:
            self._decide()
        else:
            self._prompt.show(lambda _width: [[Cell(f"That is not it. {self._asks()}", "warning")]])

    # The reason.

    @property
    def _reason_input(self) -> Input:
        return self.query_one("#reason", Input)

    def action_reason(self) -> None:
        self._show_reason(True)
        # At once: Widget.focus() waits its turn, and keys typed meanwhile would answer the question.
        self.set_focus(self._reason_input)

    def _keep_reason(self) -> None:
        self._reason = one_line(clean(self._reason_input.value))
        self._reason_input.value = self._reason
        self._leave_reason()

    def _leave_reason(self) -> None:
        self._show_reason(bool(self._reason))
        answer = self.query_one("#answer", AnswerInput)
        self.set_focus(answer if answer.display else self.query_one("#no", Button))

    def _show_reason(self, shown: bool) -> None:
        self.query_one("#confirm-reason").display = shown
        self.frame_lines = self.FRAME_LINES + shown
        self._fit()


def _needed(plan: Plan) -> tuple[Ask, str, bool, frozenset[str]]:
    """What confirms the plan, and what is asked about; typed text counts only as long as this stays the same."""
    return plan.ask, plan.answer, bool(plan.planned), frozenset(plan.cautions)


def _in_use(plan: Plan, snapshot: Snapshot) -> frozenset[BackendKey]:
    """Those of the choice that work now or did a moment ago; by the host door nobody can tell what is theirs."""
    if snapshot.server.door == HOST_DOOR:
        return frozenset()
    rows = ((target, snapshot.by_key.get(target.key)) for target in plan.chosen)
    used = {target.key for target, row in rows if row is not None and (target.busy or row.is_busy(snapshot.taken_at))}
    return frozenset(used)


def _struck(item: Planned, why: Excluded | None) -> Row:
    return remarked(item.target, "struck", "; ".join(why.reasons) if why else "no longer planned", "warning")


def _left_alone(item: Excluded) -> Row:
    return remarked(item.target, "faint", f"left alone: {'; '.join(item.reasons)}", "protected")
