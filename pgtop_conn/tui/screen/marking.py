"""Marking: whom a signal is about: marks, or what is under the cursor; bound when the key is pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import HOST_DOOR, BackendKey
from pgtop_conn.model.source import Action, Target
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.table.lines import Line, targets_of, visible


class Marking:
    """Marks are kept in the state's view; a mark stays bound to the session as it was when it was set.

    `line` gives the line under the cursor, and says so where there is none any more.
    """

    def __init__(self, state: MonitorState, desk: Desk, line: Callable[[], Line | None]) -> None:
        self._state = state
        self._desk = desk
        self._line = line

    def chosen(self) -> list[Target]:
        """The marks if there are any, else what is under the cursor, bound now; says so when that is gone."""
        marks = self._state.view.marks
        # A session that is in an earlier moment, or only now, is not gone.
        here = [one.by_key for one in (self._state.told, self._state.newest) if one is not None]
        if marks and here and not any(key in by_key for by_key in here for key in marks):
            # Not the cursor instead: the key was meant for the marks.
            left = plans.plural(len(marks), "marked session")
            self._desk.tell(f"{left} no longer listed: nothing is marked any more", "warning")
            self._set({})
            return []
        if marks:
            return list(marks.values())
        line = self._line()
        return targets_of(line, self._state.view) if line is not None else []

    def mark(self) -> None:
        """Mark what is under the cursor, or unmark it where all of it is marked."""
        line = self._line()
        if line is None:
            return
        targets = {target.key: replace(target, chosen_by="marks") for target in targets_of(line, self._state.view)}
        marks = dict(self._state.view.marks)
        if targets.keys() <= marks.keys():
            for key in targets:
                del marks[key]
        else:
            # A mark that is set stays bound to the session as it was then.
            marks |= {key: target for key, target in targets.items() if key not in marks}
        self._set(marks)

    def mark_filtered(self) -> None:
        """All that the filter or the choice of leaks shows, bound now; nothing where neither says who is meant."""
        snapshot, view = self._state.shown, self._state.view
        if snapshot is None:
            return
        if not view.choice:
            sets, marks_all = self._desk.key_of("filter"), self._desk.key_of("mark_filtered")
            self._desk.tell(f"No filter is set: {sets} sets one, {marks_all} marks all that it shows", "warning")
            return
        found = [Target.of(backend, view.choice) for backend in visible(snapshot, view, self._state.shown_tags)]
        marks = dict(view.marks)
        self._set(marks | {target.key: target for target in found if target.key not in marks})
        cancel, terminate, unmark = map(self._desk.key_of, ("cancel", "terminate", "unmark"))
        marked = plans.plural(len(self._state.view.marks), "session")
        self._desk.tell(f"{marked} marked; {cancel} or {terminate} acts on the marks, {unmark} clears them")

    def unmark_all(self) -> None:
        self._set({})

    def unmark(self, gone: Iterable[BackendKey]) -> None:
        """These are no longer marked."""
        left_out = set(gone)
        self._set({key: target for key, target in self._state.view.marks.items() if key not in left_out})

    def mark_again(self, targets: Iterable[Target]) -> None:
        """These are marked as they were."""
        if marks := {target.key: target for target in targets}:
            self._set(marks | dict(self._state.view.marks))

    def _set(self, marks: dict[BackendKey, Target]) -> None:
        self._state.view = replace(self._state.view, marks=marks)
        self._desk.redraw_table()

    def copy_signal(self) -> None:
        """Copy the statements that end what is chosen, without those whom the guards refuse."""
        told = self._state.told
        if told is not None and told.server.door == HOST_DOOR:
            terminate = self._desk.key_of("terminate")
            self._desk.tell(
                f"By the host door there is no SQL that ends a session: {terminate} signals its process", "warning"
            )
            return
        chosen = self.chosen()
        if not chosen or told is None:
            return
        plan = make_plan(Action.TERMINATE, chosen, told, self._state.terms.policy)
        statements = [text for target in plan.targets if (text := plans.signal_sql(Action.TERMINATE, target))]
        left = f"; {plans.plural(len(plan.excluded), 'session')} left out by the guards" if plan.excluded else ""
        if statements:
            where = self._desk.copy("\n".join(statements))
            self._desk.tell(f"{plans.plural(len(statements), 'statement')} copied{left}{where}")
        else:
            reasons = plan.excluded[0].reasons if plan.excluded else ()
            self._desk.tell(f"Nothing copied: {'; '.join(reasons)}", "warning")
