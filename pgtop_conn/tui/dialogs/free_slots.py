"""Free N slots: how many, whom it would end and why them, what that gives back; renewed by every poll until Enter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from pgtop_conn.model.signalling.free_slots import Freeing, Pick, free_slots, slots_to
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import HOST_DOOR, Backend, BackendKey, Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.model.text import beginning, one_line
from pgtop_conn.tui.dialogs.base import AnswerInput
from pgtop_conn.tui.dialogs.decision import DecidingDialog
from pgtop_conn.tui.keys.dialogs import FREE_SLOTS
from pgtop_conn.tui.widgets.line_view import CellBlock, LineView, RowList
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.view import format
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.dialogs.session_row import pid_cell, remarked
from pgtop_conn.view.table.columns import Cell

#: How many slots may be asked for; what is not a digit is a key.
NUMBER = r"\d{0,5}"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the table shows, in words and as a test by the newest poll, and which sessions look leaked by that."""

    words: str = ""
    shows: Callable[[Backend, float], bool] = lambda _backend, _at: True
    leaked: Callable[[], Collection[BackendKey]] = tuple


class FreeSlots(DecidingDialog[tuple[Target, ...] | None]):
    """Dismissed with the sessions that were picked when Enter was pressed, bound then, or with None.

    Enter takes only a number that was typed: the one that comes by itself is a suggestion.
    """

    FRAME_LINES = 11
    BINDINGS: ClassVar[list[BindingType]] = [*FREE_SLOTS]

    def __init__(
        self,
        snapshot: Snapshot,
        policy: Policy,
        per_minute: Callable[[str], float | None],
        percent: float,
        choice: Choice | None = None,
    ) -> None:
        """`choice` is what the table shows when that is not everything: none that it hides is picked."""
        super().__init__(RowList(id="dialog-body", cursor=True))
        self._choice = choice or Choice()
        self._snapshot = snapshot
        self._policy = policy
        self._per_minute = per_minute
        self._percent = percent
        #: In the order they were struck; they stay so whatever the polls bring.
        self._struck: dict[BackendKey, Backend] = {}
        self._listed: list[Backend] = []
        self._number = ""
        self.freeing = self._pick()
        self._headroom = CellBlock(id="free-headroom")
        self._safety = CellBlock(id="free-safety")

    def below(self) -> Iterator[Widget]:
        yield self._safety
        yield self._headroom
        with Horizontal(id="free-number"):
            yield CellBlock(id="free-label")
            yield AnswerInput(id="answer", compact=True, restrict=NUMBER, select_on_focus=False)

    def on_mount(self) -> None:
        self.query_one("#free-label", CellBlock).show(lambda _width: [[Cell("Free how many slots?", "count")]])
        super().on_mount()
        answer = self.query_one("#answer", AnswerInput)
        answer.digits_only = True
        self.set_focus(answer)

    @property
    def suggested(self) -> int:
        """Slots to free to be down at the level that is warned of."""
        return slots_to(SlotBudget.of(self._snapshot), self._percent)

    @property
    def wanted(self) -> int:
        return int(self._number) if self._number else self.suggested

    @property
    def targets(self) -> tuple[Target, ...]:
        """The picks, bound now."""
        chosen_by = f"free {plans.plural(self.wanted, 'slot')}"
        return tuple(Target.of(pick.backend, chosen_by) for pick in self.freeing.picks)

    def _pick(self) -> Freeing:
        choice = self._choice
        return free_slots(
            self.wanted,
            self._snapshot,
            self._policy,
            self._per_minute,
            self._struck,
            choice.leaked(),
            lambda backend: choice.shows(backend, self._snapshot.taken_at),
        )

    def renew(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._pick_again()

    def _pick_again(self) -> None:
        """The cursor stays on its session; where that is no longer listed, on its line."""
        at_cursor = self._at_cursor()
        self.freeing = self._pick()
        self._struck = {key: self._snapshot.by_key.get(key, was) for key, was in self._struck.items()}
        self._listed = [*(pick.backend for pick in self.freeing.picks), *self._struck.values()]
        keys = [backend.key for backend in self._listed]
        if at_cursor is not None and at_cursor.key in keys:
            self.body.cursor = keys.index(at_cursor.key)
        self.draw()

    def _at_cursor(self) -> Backend | None:
        index = self.body.cursor or 0
        return self._listed[index] if index < len(self._listed) else None

    # What is shown.

    def draw(self) -> None:
        freeing, at = self.freeing, self._snapshot.taken_at
        self._listed = [*(pick.backend for pick in freeing.picks), *self._struck.values()]
        self.set_title(self._title(), "title" if freeing.picks or not self.wanted else "warning")
        rows = [_picked(pick, at) for pick in freeing.picks]
        rows += [_struck(backend, key in self._snapshot.by_key) for key, backend in self._struck.items()]
        self.show_rows(rows or [[Cell(" Nothing to list.", "dim")]])
        self._safety.show(lambda _width: [self._missing()])
        self._headroom.show(lambda _width: [self._gives_back()])
        self.set_hint(
            *self._enter(), Cell("Space x", "key"),
            Cell(" strike out   ", "dim"), Cell("Esc", "key"), Cell(" leave", "dim"),
        )  # fmt: skip

    def _title(self) -> str:
        among = f", of {self._choice.words}" if self._choice.words else ""
        if not self.wanted:
            return f"Free slots{among}: below {self._percent:g} % already, type how many"
        return f"Free {plans.plural(self.wanted, 'slot')}: the least harmful sessions first{among}"

    def _enter(self) -> tuple[Cell, ...]:
        if self._number:
            return Cell("Enter", "key"), Cell(" shows the plan   ", "dim")
        if not self.suggested:
            return Cell("Type a number   ", "dim"), Cell("Enter", "key"), Cell(" shows the plan   ", "dim")
        return Cell(f"Type {self.suggested}", "key"), Cell(f" to get down to {self._percent:g} %   ", "dim")

    def _missing(self) -> Row:
        """Fewer than wanted is said and never made up for."""
        freeing = self.freeing
        struck = Cell(f"; {len(self._struck)} struck out" if self._struck else "", "dim")
        if not freeing.missing:
            others = freeing.safe - len(freeing.picks)
            return [Cell(f"{plans.plural(others, 'more session')} could be ended as safely", "dim"), struck]
        hidden = ", or not shown" if self._choice.words else ""
        why = f"others are in use, locked or guarded{hidden}"
        if self._snapshot.locks is None:
            by_title = self._snapshot.server.door == HOST_DOOR
            why = "who holds locks can't be told by this door: x" if by_title else "locks are not known yet"
        return [
            Cell(f"Only {len(freeing.picks)} of {self.wanted} can be had safely", "warning"),
            Cell(f": {why}", "dim"),
            struck,
        ]

    def _gives_back(self) -> Row:
        plan = make_plan(Action.TERMINATE, self.targets, self._snapshot, self._policy, bulk=True)
        return plans.headroom(plan, plans.relief_of(plan, self._snapshot))

    # Keys.

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._number = event.value
        self._pick_again()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._number:
            self._safety.show(lambda _width: [[Cell("Type how many slots to free, then Enter", "warning")]])
        elif self.freeing.picks:
            self.dismiss(self.targets)

    def action_strike(self) -> None:
        backend = self._at_cursor()
        if backend is None:
            return
        if backend.key in self._struck:
            del self._struck[backend.key]
        else:
            self._struck[backend.key] = backend
            # The cursor stays where it is: the next session is under it now, as in a list one goes down.
            self._listed = []
        self._pick_again()

    def action_leave(self) -> None:
        self.dismiss(None)

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        self.body.cursor = event.index
        self.body.repaint_changed()


def _picked(pick: Pick, at: float) -> Row:
    """One pick: the reason comes before what a narrow window may cut off."""
    backend = pick.backend
    return [
        pid_cell(backend.pid),
        Cell(f"{format.duration(backend.idle_s(at)):>6}  ", "idle"),
        Cell(f"{one_line(pick.why)}  "),
        Cell(f"{one_line(backend.role)}  {backend.client}  ", "dim"),
        Cell(beginning(backend.query)[:120], "query"),
    ]


def _struck(backend: Backend, there: bool) -> Row:
    return remarked(backend, "struck", "struck out" if there else "no longer listed", "dim")
