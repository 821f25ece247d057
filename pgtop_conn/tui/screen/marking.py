"""Choosing whom a signal is about: marks, or what is under the cursor; bound when the key is pressed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import HOST_DOOR, BackendKey
from pgtop_conn.model.source import Action, Target
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.screen.browsing import BrowseScreen
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.table.lines import targets_of, visible


class MarkingScreen(BrowseScreen):
    """Marks are kept in `view`; a mark stays bound to the session as it was when it was set."""

    def chosen(self) -> list[Target]:
        """The marks if there are any, else what is under the cursor, bound now; says so when that is gone."""
        marks = self.view.marks
        # A session that is in an earlier moment, or only now, is not gone.
        here = [one.by_key for one in (self.told_snapshot, self.snapshot) if one is not None]
        if marks and here and not any(key in by_key for by_key in here for key in marks):
            # Not the cursor instead: the key was meant for the marks.
            left = plans.plural(len(marks), "marked session")
            self.tell(f"{left} no longer listed: nothing is marked any more", "warning")
            self._set_marks({})
            return []
        if marks:
            return list(marks.values())
        line = self._line()
        return targets_of(line, self.view) if line is not None else []

    def action_mark(self) -> None:
        line = self._line()
        if line is None:
            return
        targets = {target.key: replace(target, chosen_by="marks") for target in targets_of(line, self.view)}
        marks = dict(self.view.marks)
        if targets.keys() <= marks.keys():
            for key in targets:
                del marks[key]
        else:
            # A mark that is set stays bound to the session as it was then.
            marks |= {key: target for key, target in targets.items() if key not in marks}
        self._set_marks(marks)

    def action_mark_filtered(self) -> None:
        """All that the filter or the choice of leaks shows, bound now; nothing where neither says who is meant."""
        snapshot, choice = self.shown_snapshot, self.view.choice
        if snapshot is None:
            return
        if not choice:
            sets, marks_all = self.key_of("filter"), self.key_of("mark_filtered")
            self.tell(f"No filter is set: {sets} sets one, {marks_all} marks all that it shows", "warning")
            return
        found = [Target.of(backend, choice) for backend in visible(snapshot, self.view, self.shown_tags)]
        marks = dict(self.view.marks)
        self._set_marks(marks | {target.key: target for target in found if target.key not in marks})
        cancel, terminate, unmark = map(self.key_of, ("cancel", "terminate", "unmark"))
        marked = plans.plural(len(self.view.marks), "session")
        self.tell(f"{marked} marked; {cancel} or {terminate} acts on the marks, {unmark} clears them")

    def action_unmark(self) -> None:
        self._set_marks({})

    def unmark(self, gone: Iterable[BackendKey]) -> None:
        """These are no longer marked."""
        left_out = set(gone)
        self._set_marks({key: target for key, target in self.view.marks.items() if key not in left_out})

    def mark_again(self, targets: Iterable[Target]) -> None:
        """These are marked as they were."""
        if marks := {target.key: target for target in targets}:
            self._set_marks(marks | dict(self.view.marks))

    def _set_marks(self, marks: dict[BackendKey, Target]) -> None:
        self.view = replace(self.view, marks=marks)
        self.show_table()

    def action_copy_signal(self) -> None:
        if self.told_snapshot is not None and self.told_snapshot.server.door == HOST_DOOR:
            self.tell(
                f"By the host door there is no SQL that ends a session: {self.key_of('terminate')} signals its process",
                "warning",
            )
            return
        chosen = self.chosen()
        if not chosen or self.told_snapshot is None:
            return
        plan = make_plan(Action.TERMINATE, chosen, self.told_snapshot, self.options.policy)
        statements = [text for target in plan.targets if (text := plans.signal_sql(Action.TERMINATE, target))]
        left = f"; {plans.plural(len(plan.excluded), 'session')} left out by the guards" if plan.excluded else ""
        if statements:
            where = copy(self.app, "\n".join(statements))
            self.tell(f"{plans.plural(len(statements), 'statement')} copied{left}{where}")
        else:
            reasons = plan.excluded[0].reasons if plan.excluded else ()
            self.tell(f"Nothing copied: {'; '.join(reasons)}", "warning")
