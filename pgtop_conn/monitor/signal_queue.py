"""SignalQueue: sends confirmed plans one after the other, paced, and tells what became of each session.

Campaign does the sending; here is what the screen needs around it: the queue, Esc, messages, and who came back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from pgtop_conn.model.signalling.comeback import Comeback, ComebackWatch
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Ask, Plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Status, Target
from pgtop_conn.monitor.campaign import Campaign, Phase, Progress, as_wanted
from pgtop_conn.monitor.poller import SnapshotLoop
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.status import comeback as comebacks

#: Failures named one by one in a message.
NAMED_AT_MOST = 5
#: While the end of a session is awaited, polls are at most this far apart.
VERIFY_EVERY_S = 0.5
#: An end that takes longer is told to be waited for.
SLOW_END_S = 2.0
#: Leaving watches the ends of what was sent for so long.
LEAVING_S = 1.0
#: So many ended at once are worth watching for their coming back.
WATCHED_FROM = 2
#: Who came back is told when no more came for so long, and shown above the table until so long after the kill.
COMEBACK_SETTLED_S = 3.0
COMEBACK_SHOWN_S = 120.0

Severity = Literal["information", "warning", "error"]
Tell = Callable[[str, Severity], None]


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan as it was confirmed; with `escalate_after_s` it is a terminate, and what can be is cancelled first."""

    plan: Plan
    escalate_after_s: float | None = None

    @property
    def verb(self) -> str:
        """How messages call it."""
        return str(self.plan.action) if self.escalate_after_s is None else "cancel, then terminate"


def asks_more(plan: Plan, newer: Plan) -> bool:
    """Whether the confirmation that was given for `plan` is not enough for `newer`; fewer targets never ask more."""
    strength = {Ask.YES: 0, Ask.TYPE_COUNT: 1, Ask.TYPE_ROLE: 2}
    if strength[newer.ask] > strength[plan.ask]:
        return True
    return newer.ask is Ask.TYPE_ROLE and newer.answer != plan.answer


@dataclass(slots=True, eq=False)
class _Sent:
    """One plan on its way, until the end of its last target is known."""

    decision: Decision
    campaign: Campaign
    #: Server time of the first poll after the last signal.
    since: float | None = None
    told: bool = False

    @property
    def verifying(self) -> bool:
        return self.campaign.progress.phase is Phase.VERIFY

    @property
    def pending(self) -> int:
        progress = self.campaign.progress
        return progress.total - len(progress.outcomes)


@dataclass(slots=True, eq=False)
class _Watched:
    """One kill whose sessions may come back."""

    watch: ComebackWatch
    found: Comeback | None = None
    grew_at: float = 0.0
    told: bool = field(default=False)
    began: bool = False

    def observe(self, snapshot: Snapshot) -> None:
        if not self.began or self.watch.over(snapshot.taken_at):
            return
        found = self.watch.observe(snapshot)
        if found is not None and (self.found is None or found.count > self.found.count):
            self.grew_at = snapshot.taken_at
        self.found = found or self.found

    def settled(self, at: float) -> bool:
        """Whether enough is known to tell."""
        if self.found is None:
            return False
        return self.found.count >= self.found.killed or at - self.grew_at >= COMEBACK_SETTLED_S


class SignalQueue:
    """Holds the source's turn while it signals, so that no poll is under way; polls go on in between.

    `changed` is called whenever there is more to show: how far the sending is, or who came back.
    """

    def __init__(
        self,
        source: Source,
        poller: SnapshotLoop,
        policy: Policy,
        per_second: float,
        tell: Tell,
        changed: Callable[[], None],
    ) -> None:
        self._source = source
        self._poller = poller
        self._policy = policy
        self._per_second = per_second
        self._tell = tell
        self._changed = changed
        self._line = asyncio.Lock()
        self._current: _Sent | None = None
        self._open: list[_Sent] = []
        self._tasks: set[asyncio.Task[tuple[Outcome, ...]]] = set()
        self._watched: list[_Watched] = []
        #: The newest poll, and when it came on our clock.
        self._newest: tuple[Snapshot, float] | None = None

    @property
    def pending(self) -> int:
        """Sessions of confirmed plans of whose end nothing is known yet."""
        return sum(sent.pending for sent in self._open)

    @property
    def sending(self) -> bool:
        """Whether there is anything that stop() would keep from being sent."""
        return any(not (sent.verifying or sent.campaign.progress.stopped) for sent in self._open)

    @property
    def progress(self) -> Progress | None:
        """Of the plan that is being sent."""
        return self._current.campaign.progress if self._current else None

    @property
    def comeback(self) -> Comeback | None:
        """The newest kill after which sessions came back, as long as that is worth showing."""
        return next((watched.found for watched in reversed(self._watched) if watched.found is not None), None)

    async def send(self, decision: Decision, before: Snapshot, elapsed_s: float) -> tuple[Outcome, ...]:
        """Signal the plan's targets; whoever waits for this may be cancelled, the signalling itself is not.

        `before` is the newest snapshot, `elapsed_s` seconds old.
        """
        watched = None
        if decision.plan.action is Action.TERMINATE and len(decision.plan.targets) >= WATCHED_FROM:
            watched = _Watched(ComebackWatch.of((), before, elapsed_s))
            self._watched.append(watched)
        task = asyncio.create_task(self._send(decision, watched), name="signal")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Send nothing more, of any plan, and say what was sent."""
        for sent in self._open:
            progress = sent.campaign.progress
            if sent.verifying or progress.stopped:
                continue
            sent.campaign.stop()
            text = f"{sent.decision.verb} stopped: {progress.sent} of {progress.total} signalled, nothing more is sent"
            self._tell(text, "warning")

    async def leave(self, patience_s: float = LEAVING_S) -> None:
        """Nothing more is sent, at once; a moment for the ends of what was, then none is waited for."""
        for sent in self._open:
            if not sent.campaign.progress.stopped:
                sent.campaign.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        for sent in self._open:
            # Stopped already: this ends the watching.
            sent.campaign.stop()

    async def finish(self, patience_s: float = 10.0) -> None:
        """Once the poller has stopped: the signal that is out is let come to its end, for the source's journal."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)

    async def _send(self, decision: Decision, watched: _Watched | None) -> tuple[Outcome, ...]:
        def report(progress: Progress) -> None:
            if progress.phase in (Phase.VERIFY, Phase.DONE):
                self._next(sent)
            if watched is not None and progress.phase is Phase.TERMINATE and not watched.began:
                watched.began = True
                if self._newest is not None:
                    # A plan that waited, or cancelled first, ends nobody before now.
                    snapshot, seen_at = self._newest
                    watched.watch = ComebackWatch.of((), snapshot, monotonic() - seen_at)
            if watched is not None:
                watched.watch.killed = _ended(progress.outcomes)
            self._changed()

        campaign = Campaign(
            self._source,
            self._poller.next_poll,
            decision.plan,
            self._policy,
            per_second=self._per_second,
            escalate_after_s=decision.escalate_after_s,
            turn=self._poller.turn,
            report=report,
        )
        sent = _Sent(decision, campaign)
        self._open.append(sent)
        await self._line.acquire()
        self._current = sent
        try:
            outcomes = await campaign.run()
        finally:
            self._next(sent)
            self._open.remove(sent)
            self._changed()
        self._report(decision, outcomes)
        return outcomes

    def _next(self, sent: _Sent) -> None:
        """All that this plan sends is sent: the next one's turn."""
        if self._current is sent:
            self._current = None
            self._line.release()

    def observe(self, snapshot: Snapshot) -> None:
        """What a new poll says: who is still awaited, and who came back."""
        at = snapshot.taken_at
        self._newest = snapshot, monotonic()
        for sent in self._open:
            if not sent.verifying:
                continue
            sent.since = at if sent.since is None else sent.since
            if at - sent.since >= SLOW_END_S and sent.pending and not sent.told:
                sent.told = True
                waiting = plans.plural(sent.pending, "session")
                self._tell(f"{sent.decision.verb}: signalled, waiting for {waiting} to end", "information")
        for watched in self._watched:
            watched.observe(snapshot)
            if watched.settled(at) and watched.found is not None and not watched.told:
                watched.told = True
                self._tell_comeback(watched.found)
        self._watched = [one for one in self._watched if at <= one.watch.began + COMEBACK_SHOWN_S]

    def _tell_comeback(self, found: Comeback) -> None:
        offer = "; L copies the statement that limits it" if comebacks.limit_sql(found) else ""
        self._tell(f"{comebacks.sentence(found)}{offer}", "warning")

    def _report(self, decision: Decision, outcomes: tuple[Outcome, ...]) -> None:
        failures = [one for one in outcomes if not as_wanted(decision.plan.action, one)]
        named = [one for one in failures if one.status is not Status.NOT_SENT]
        lines = [f"{decision.verb}: {plans.tally(outcomes, details=True)}", *map(_failure, named[:NAMED_AT_MOST])]
        if len(named) > NAMED_AT_MOST:
            lines.append(f"and {len(named) - NAMED_AT_MOST} more")
        notes = list(dict.fromkeys(one.note for one in outcomes if one.note))
        self._tell("\n".join([*lines, *notes]), "warning" if failures or notes else "information")


def _ended(outcomes: tuple[Outcome, ...]) -> tuple[Target, ...]:
    """Those that a signal ended; a detail says that one was gone before."""
    return tuple(one.target for one in outcomes if one.status is Status.GONE and not one.detail)


def _failure(outcome: Outcome) -> str:
    target = outcome.target
    detail = f": {outcome.detail}" if outcome.detail else ""
    return f"{target.key.pid} {target.role} {target.app} {outcome.status}{detail}"
