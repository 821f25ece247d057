"""What the main screen does to sessions: cancel, terminate and free slots, each through a plan and a question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Status, Target
from pgtop_conn.monitor.poller import Asker
from pgtop_conn.monitor.signal_queue import Decision, Signals, asks_more
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.free_slots import Choice, FreeSlots
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.marking import MarkingScreen
from pgtop_conn.view.status import comeback as comebacks

LOOKING_BACK = "This is how it was: nothing is sent from here"
READ_ONLY = "Started with --read-only: no session can be cancelled or terminated"


class ActingScreen(MarkingScreen):
    """The only place a signal starts from. Whoever inherits gives it the poller."""

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        super().__init__(options)
        self.trouble = ""
        #: False from the loss of the session to the next good poll.
        self.connected = True
        self.poller = self.make_poller(source)
        self.signals = Signals(source, self.poller, options.policy, options.per_second, self.tell, self.show_progress)

    def make_poller(self, source: Source) -> Asker:
        """The one loop that asks the source."""
        raise NotImplementedError

    def growth_of(self, app: str) -> float | None:
        """Sessions per minute of an application."""
        raise NotImplementedError

    def age_s(self) -> float:
        """Seconds since the newest snapshot came."""
        raise NotImplementedError

    def show_progress(self) -> None:
        """Show how far the sending is, or the keys when nothing is sent."""
        raise NotImplementedError

    @property
    def _policy(self) -> Policy:
        return self.options.policy

    @property
    def refusal(self) -> str:
        """Why no signal can be asked for here and now; '' when one can."""
        if self._policy.read_only:
            return READ_ONLY
        return f"{LOOKING_BACK}; {self.key_of('live')} goes back to live" if self.past is not None else ""

    def signalled(self, action: Action, outcomes: Sequence[Outcome]) -> None:
        """Take note of how a plan ended."""
        raise NotImplementedError

    def ending(self, keys: Iterable[BackendKey]) -> None:
        """Take note of sessions that are about to be signalled."""
        raise NotImplementedError

    def action_cancel(self) -> None:
        self._ask(Action.CANCEL)

    def action_terminate(self) -> None:
        self._ask(Action.TERMINATE)

    def action_free(self) -> None:
        if self.refusal:
            self.tell(self.refusal, "warning")
        elif self.snapshot is not None:
            view = self.view
            choice = Choice(view.choice, lambda backend, at: view.shows(backend, at, self.tags), lambda: self.tags.leak)
            dialog = FreeSlots(self.snapshot, self._policy, self.growth_of, self.options.warning_percent, choice)
            self.app.push_screen(dialog, self._picked)

    def _picked(self, targets: tuple[Target, ...] | None) -> None:
        """The picks are judged as any choice of many, however few they are."""
        if targets and self.snapshot is not None:
            self._confirm(Decision(make_plan(Action.TERMINATE, targets, self.snapshot, self._policy, bulk=True)))

    def _ask(self, action: Action) -> None:
        if self.refusal:
            self.tell(self.refusal, "warning")
        elif self.snapshot is not None and (targets := self.chosen()):
            self._confirm(Decision(make_plan(action, targets, self.snapshot, self._policy)))

    def ask_about(self, action: Action, target: Target) -> None:
        if self.refusal:
            self.tell(self.refusal, "warning")
        elif self.snapshot is not None:
            self._confirm(Decision(make_plan(action, (target,), self.snapshot, self._policy)))

    def _confirm(self, decision: Decision) -> None:
        if self.snapshot is not None:
            dialog = Confirm(decision, self.snapshot, self._policy, self.options.escalate_after_s)
            self.app.push_screen(dialog, self._confirmed)

    def _confirmed(self, decision: Decision | None) -> None:
        """Planned once more on the newest poll: what left or changed is dropped, what asks more is asked."""
        if decision is None or self.snapshot is None:
            return
        newest = Decision(decision.plan.narrowed(self.snapshot, self._policy), decision.escalate_after_s)
        if not self.connected:
            self.tell("The connection is lost: nothing was sent", "error")
        elif asks_more(decision.plan, newest.plan):
            self._confirm(newest)
        elif newest.plan.planned:
            self.run_worker(self._signal(newest, self.snapshot), name="signal")
        else:
            self.tell(f"{decision.verb}: nothing left to signal", "warning")

    async def _signal(self, decision: Decision, before: Snapshot) -> None:
        """The marks go at once, so that the next key is about others; those that were not sent get theirs back."""
        marks = dict(self.view.marks)
        self.unmark(target.key for target in decision.plan.chosen)
        self.ending(target.key for target in decision.plan.targets)
        outcomes = await self.signals.send(decision, before, self.age_s())
        self.signalled(decision.plan.action, outcomes)
        self.mark_again(
            marks[one.target.key] for one in outcomes if one.status is Status.NOT_SENT and one.target.key in marks
        )
        self.poller.wake()

    def stop_signals(self) -> None:
        """Nothing more is sent."""
        self.signals.stop()

    def action_copy_limit(self) -> None:
        comeback = self.signals.comeback
        statement = comebacks.limit_sql(comeback) if comeback is not None else ""
        if statement:
            where = copy(self.app, statement)
            self.tell(f"Copied: {statement}{where}")
        elif comeback is not None:
            self.tell("The names of their roles can't be quoted with certainty, or no limit stops them", "warning")
        else:
            self.tell("Nobody came back after a kill: there is nothing to limit", "warning")
