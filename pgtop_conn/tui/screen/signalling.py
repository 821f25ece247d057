"""Signalling: cancel, terminate and free slots, each through a plan and a question. Signals start nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.signal_queue import Decision, SignalQueue, asks_more
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.free_slots import Choice, FreeSlots
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.tui.screen.feed import Feed
from pgtop_conn.tui.screen.marking import Marking
from pgtop_conn.view.status import comeback as comebacks


class Signalling:
    """`sent` is told what became of each plan; `escalate_after_s` lies between a cancel and its terminate."""

    def __init__(
        self,
        state: MonitorState,
        desk: Desk,
        feed: Feed,
        signals: SignalQueue,
        marking: Marking,
        escalate_after_s: float,
        sent: Callable[[Action, Sequence[Outcome]], None],
    ) -> None:
        self._state = state
        self._desk = desk
        self._feed = feed
        self._signals = signals
        self._marking = marking
        self._escalate_after_s = escalate_after_s
        self._sent = sent

    @property
    def _policy(self) -> Policy:
        return self._state.terms.policy

    def _allowed(self) -> Snapshot | None:
        """The poll to plan on; None, and it is said why, where nothing can be signalled."""
        if self._feed.refusal:
            self._desk.tell(self._feed.refusal, "warning")
            return None
        return self._state.newest

    def ask(self, action: Action) -> None:
        """Ask about the marks, or what is under the cursor."""
        snapshot = self._allowed()
        if snapshot is not None and (targets := self._marking.chosen()):
            self._confirm(Decision(make_plan(action, targets, snapshot, self._policy)))

    def ask_about(self, action: Action, target: Target) -> None:
        """Ask about this one session."""
        snapshot = self._allowed()
        if snapshot is not None:
            self._confirm(Decision(make_plan(action, (target,), snapshot, self._policy)))

    def free(self) -> None:
        """Ask how many slots to free, then about those who were picked."""
        snapshot, state = self._allowed(), self._state
        if snapshot is None:
            return
        view = state.view
        choice = Choice(view.choice, lambda backend, at: view.shows(backend, at, state.tags), lambda: state.tags.leak)
        dialog = FreeSlots(snapshot, self._policy, state.growth_of, state.terms.warning_percent, choice)
        self._desk.push(dialog, self._picked)

    def _picked(self, targets: tuple[Target, ...] | None) -> None:
        """The picks are judged as any choice of many, however few they are."""
        snapshot = self._state.newest
        if targets and snapshot is not None:
            self._confirm(Decision(make_plan(Action.TERMINATE, targets, snapshot, self._policy, bulk=True)))

    def _confirm(self, decision: Decision) -> None:
        if self._state.newest is not None:
            dialog = Confirm(decision, self._state.newest, self._policy, self._escalate_after_s)
            self._desk.push(dialog, self._confirmed)

    def _confirmed(self, decision: Decision | None) -> None:
        """Planned once more on the newest poll: what left or changed is dropped, what asks more is asked."""
        snapshot = self._state.newest
        if decision is None or snapshot is None:
            return
        newest = Decision(decision.plan.narrowed(snapshot, self._policy), decision.escalate_after_s)
        if not self._state.connected:
            self._desk.tell("The connection is lost: nothing was sent", "error")
        elif asks_more(decision.plan, newest.plan):
            self._confirm(newest)
        elif newest.plan.planned:
            self._desk.run(self._send(newest, snapshot), "signal")
        else:
            self._desk.tell(f"{decision.verb}: nothing left to signal", "warning")

    async def _send(self, decision: Decision, before: Snapshot) -> None:
        """The marks go at once, so that the next key is about others; those that were not sent get theirs back."""
        marks = dict(self._state.view.marks)
        self._marking.unmark(target.key for target in decision.plan.chosen)
        self._state.ending(target.key for target in decision.plan.targets)
        outcomes = await self._signals.send(decision, before, self._state.age_s())
        self._sent(decision.plan.action, outcomes)
        self._marking.mark_again(
            marks[one.target.key] for one in outcomes if one.status is Status.NOT_SENT and one.target.key in marks
        )
        self._feed.poller.wake()

    def copy_limit(self) -> None:
        """Copy the statement that keeps those out who came back after a kill."""
        comeback = self._signals.comeback
        statement = comebacks.limit_sql(comeback) if comeback is not None else ""
        if statement:
            where = self._desk.copy(statement)
            self._desk.tell(f"Copied: {statement}{where}")
        elif comeback is not None:
            self._desk.tell(
                "The names of their roles can't be quoted with certainty, or no limit stops them", "warning"
            )
        else:
            self._desk.tell("Nobody came back after a kill: there is nothing to limit", "warning")
