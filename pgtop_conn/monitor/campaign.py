"""Campaign: sends one confirmed plan, paced, stoppable between any two signals, and followed until each end is seen.

The screen and the headless kill use it alike:

    campaign = Campaign(source, poll, plan, policy, per_second=20.0, escalate_after_s=None, turn=None, report=show)
    outcomes = await campaign.run()     one Outcome for each of plan.targets, in their order
    campaign.stop()                     at any time, from the same event loop: nothing more is sent
    campaign.progress                   Progress(phase, total, sent, outcomes, stopped), also given to `report`

`plan` is what was confirmed, `policy` what it was judged by. `poll` gives a snapshot no older than its call where that
can be had, otherwise the newest there is; it raises PgtopError when there is none. `turn` is held around each signal,
never around `poll`, which takes its own turn. `report` is called on the event loop after each change.

Before each batch the plan is narrowed on a new snapshot: what left or changed is dropped, and nothing is ever added.
What was not sent ends as NOT_SENT: "stopped", or why the server could not be looked at. stop() does not end the
watching of what was sent, which takes at most `patience_s`; a second stop() does. What is then not seen to end is
UNKNOWN, as is whatever was signalled when another server than the plan's answers. A task that runs a campaign is
shielded by its caller, not cancelled, so that every signal's end is known.

A caution that nobody was asked about, as of another statement of a session that is bound by `busy`, leaves it alone.

With `escalate_after_s` (the plan's action is terminate) the queries that a cancel can end are cancelled first; so many
seconds later whatever still holds its slot is terminated. A session that began a new query after the cancel is left
alone as CHANGED. Where a cancel would do nothing, a session waits untouched for the second part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic

from pgtop_conn.model.errors import BadInput, PgtopError
from pgtop_conn.model.signalling.guards import Policy, useless_cancel
from pgtop_conn.model.signalling.plan import CHANGED, GONE, Excluded, Plan, Planned, make_plan
from pgtop_conn.model.signalling.verification import PATIENCE_S, Verification
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import BEFORE, Action, Outcome, Source, Status, Target

PER_SECOND = 20.0
#: The pauses between polls for the end of what was signalled; the last one repeats.
POLL_AFTER_S = (0.05, 0.1, 0.25, 0.5, 1.0)
#: On top of the patience, which is measured on the server's clock, before a silent server is given up.
SILENCE_S = 5.0

STOPPED = "stopped"
#: How a session ends as the user wanted, by what was asked for.
WANTED = {Action.TERMINATE: (Status.GONE,), Action.CANCEL: (Status.GONE, Status.CANCELLED)}

Poll = Callable[[], Awaitable[Snapshot]]
Sleep = Callable[[float], Awaitable[None]]


class Phase(StrEnum):
    """What a campaign is doing."""

    CANCEL = "cancelling"
    WAIT = "waiting before it terminates"
    TERMINATE = "terminating"
    VERIFY = "waiting for the end"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is. `sent` counts sessions that were signalled, once each; `outcomes` are those known so far.

    While an escalation is under way a cancelled session has no outcome yet, since it still holds its slot.
    """

    phase: Phase
    total: int
    sent: int
    outcomes: tuple[Outcome, ...]
    stopped: bool


def as_wanted(action: Action, outcome: Outcome) -> bool:
    """Whether the session ended as the user wanted: gone, or where only that was asked for, its query cancelled."""
    return outcome.status in WANTED[action]


class Campaign:
    """One plan on its way; run() once. `sleep` is awaited for pauses and may be cancelled."""

    def __init__(
        self,
        source: Source,
        poll: Poll,
        plan: Plan,
        policy: Policy,
        *,
        per_second: float = PER_SECOND,
        escalate_after_s: float | None = None,
        patience_s: float = PATIENCE_S,
        turn: asyncio.Lock | None = None,
        report: Callable[[Progress], None] | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if policy.read_only:
            raise BadInput("nothing is signalled in read-only mode")
        if escalate_after_s is not None and plan.action is not Action.TERMINATE:
            raise BadInput("an escalation ends in a terminate, so its plan is one")
        self._source = source
        self._poll = poll
        self._plan = plan
        self._policy = policy
        self._pause_s = 1.0 / per_second
        self._batch = max(1, round(per_second))
        self._escalate_after_s = escalate_after_s
        self._patience_s = patience_s
        self._turn = turn or asyncio.Lock()
        self._report = report
        self._sleep = sleep
        self._phase = Phase.TERMINATE if plan.action is Action.TERMINATE else Phase.CANCEL
        self._ended: dict[BackendKey, Outcome] = {}
        self._sent: set[BackendKey] = set()
        self._following = Verification(patience_s)
        #: Cancelled, and not terminated yet: how the cancel ended, None while that is not known.
        self._cancelled: dict[BackendKey, Outcome | None] = {}
        self._following_cancels = Verification(patience_s)
        self._stop = asyncio.Event()
        self._give_up = asyncio.Event()
        self._trouble = ""

    @property
    def progress(self) -> Progress:
        """How far it is, now."""
        return Progress(self._phase, len(self._plan.targets), len(self._sent), self._outcomes(), self._stop.is_set())

    def stop(self) -> None:
        """Send nothing more; called again, stop watching what was sent, too."""
        if self._stop.is_set():
            self._give_up.set()
        self._stop.set()
        self._tell()

    async def run(self) -> tuple[Outcome, ...]:
        """Send, watch each end, and tell it: one Outcome for each target of the plan, in their order."""
        targets = self._plan.targets
        if self._escalate_after_s is not None:
            self._leave(await self._send(Action.CANCEL, targets))
            await self._wait(self._escalate_after_s)
        left = [target for target in targets if target.key not in self._ended]
        self._leave(await self._send(self._plan.action, left))
        await self._watch()
        self._enter(Phase.DONE)
        return self._outcomes()

    async def _send(self, action: Action, targets: Sequence[Target]) -> list[Target]:
        """Signal in paced batches what is still as it was; returns what was not reached."""
        self._enter(Phase.TERMINATE if action is Action.TERMINATE else Phase.CANCEL)
        waiting = list(targets)
        while waiting and not self._stop.is_set():
            snapshot = await self._seen()
            if snapshot is None:
                break
            planned = self._still_planned(waiting, snapshot)
            if action is not self._plan.action:
                planned = [item for item in planned if useless_cancel(item.backend) is None]
            waiting = [item.target for item in planned]
            while waiting and len(planned) - len(waiting) < self._batch and await self._signal(action, waiting[0]):
                waiting.pop(0)
                if waiting:
                    await self._pause(self._pause_s, self._stop)
        return waiting

    def _leave(self, targets: Sequence[Target]) -> None:
        """The end of those that were not reached; of a cancelled one its cancel's own end is told."""
        for target in targets:
            if target.key not in self._cancelled:
                self._end(Outcome(target, Status.NOT_SENT, self._trouble or STOPPED))

    def _still_planned(self, targets: Sequence[Target], snapshot: Snapshot) -> list[Planned]:
        """Those that may still be signalled, judged again; each of the others has ended with the reason."""
        bound = [found for target in targets if (found := self._rebound(target, snapshot)) is not None]
        newer = make_plan(self._plan.action, bound, snapshot, self._policy, bulk=self._plan.bulk)
        for excluded in newer.excluded:
            self._end(_left(excluded, "after its cancel" if excluded.target.key in self._cancelled else BEFORE))
        confirmed = {target.key: target for target in bound}
        asked = {item.target.key: item for item in self._plan.planned}
        planned = []
        for item in newer.planned:
            before = confirmed[item.target.key]
            unasked = item.guards - asked[item.target.key].guards
            if item.target.allow_superuser > before.allow_superuser:
                self._end(Outcome(before, Status.CHANGED, "left alone: its role has become a superuser"))
            elif item.target.allow_replication > before.allow_replication:
                self._end(Outcome(before, Status.CHANGED, "left alone: its role may replicate now"))
            elif unasked:
                new = [caution for caution in item.cautions if caution not in asked[item.target.key].cautions]
                self._end(Outcome(before, Status.CHANGED, f"left alone: {', '.join(new or item.cautions)}"))
            else:
                planned.append(item)
        return planned

    def _rebound(self, target: Target, snapshot: Snapshot) -> Target | None:
        """A session that was cancelled as it is now, which is idle as a rule; None when it has gone on to new work."""
        backend = snapshot.by_key.get(target.key)
        if target.key not in self._cancelled or backend is None:
            return target
        if backend.query_start != target.query_start and not target.busy:
            self._end(Outcome(target, Status.CHANGED, "a new query since it was cancelled"))
            return None
        if backend.wrote and not target.wrote:
            self._end(Outcome(target, Status.CHANGED, "its transaction has written since it was cancelled"))
            return None
        return replace(
            target,
            state=backend.state,
            state_change=backend.state_change,
            query_start=backend.query_start,
            wrote=backend.wrote,
        )

    async def _signal(self, action: Action, target: Target) -> bool:
        """Signal one; False when it was stopped before its turn came."""
        async with self._turn:
            if self._stop.is_set():
                return False
            try:
                (outcome,) = await self._source.signal(action, [target])
            except PgtopError as error:
                # Sent or not: its end tells.
                outcome = Outcome(target, Status.SIGNALLED, note=str(error))
        if outcome.status is not Status.SIGNALLED:
            self._end(outcome)
            return True
        self._sent.add(target.key)
        if action is self._plan.action:
            self._cancelled.pop(target.key, None)
            self._following.expect(action, [outcome], self._plan.place)
        else:
            self._cancelled[target.key] = None
            self._following_cancels.expect(action, [outcome], self._plan.place)
        self._tell()
        return True

    async def _wait(self, seconds: float) -> None:
        """Let the cancelled let go of their slots; ends early when all are gone, or when it is stopped."""
        self._enter(Phase.WAIT)
        while seconds > 0 and not self._stop.is_set() and len(self._ended) < len(self._plan.targets):
            pause_s = min(seconds, POLL_AFTER_S[-1])
            await self._pause(pause_s, self._stop)
            seconds -= pause_s
            await self._seen()

    async def _watch(self) -> None:
        """Poll until every signalled session's end is seen, or said not to have come."""
        self._enter(Phase.VERIFY)
        began, paused_s, polls = monotonic(), 0.0, 0
        while self._open() and not self._give_up.is_set():
            if max(paused_s, monotonic() - began) > self._patience_s + SILENCE_S:
                break
            if polls:
                pause_s = POLL_AFTER_S[min(polls, len(POLL_AFTER_S)) - 1]
                await self._pause(pause_s, self._give_up)
                paused_s += pause_s
            polls += 1
            await self._seen()
        why = f"its end was not seen: {self._trouble}" if self._trouble else "its end was not waited for"
        for outcome in self._following_cancels.abandon(why):
            self._settle(Action.CANCEL, outcome)
        for outcome in self._following.abandon(why):
            self._settle(self._plan.action, outcome)
        for target in self._plan.targets:
            if target.key not in self._ended:
                self._end(self._unseen(target, why))

    def _open(self) -> bool:
        """Whether a signalled session's end is not known."""
        return any(
            target.key not in self._ended and self._cancelled.get(target.key) is None for target in self._plan.targets
        )

    def _unseen(self, target: Target, why: str) -> Outcome:
        """How a session ends that was cancelled, and not terminated any more."""
        cancelled = self._cancelled.get(target.key)
        if cancelled is None:
            return Outcome(target, Status.UNKNOWN, why)
        why = f"{self._trouble or STOPPED} before it was terminated"
        return replace(cancelled, detail=f"{cancelled.detail}; {why}" if cancelled.detail else why)

    async def _seen(self) -> Snapshot | None:
        """Poll, and settle what the poll shows; None when the server could not be looked at."""
        try:
            snapshot = await self._poll()
        except PgtopError as error:
            self._trouble = str(error)
            return None
        self._trouble = ""
        relation = self._plan.place.relation(snapshot)
        if not relation.tells:
            # After a failover nobody of the plan is there, which says nothing of where they were.
            self._trouble = str(relation)
            self._stop.set()
        for outcome in self._following_cancels.observe(snapshot):
            self._settle(Action.CANCEL, outcome)
        for outcome in self._following.observe(snapshot):
            self._settle(self._plan.action, outcome)
        return snapshot if relation.tells else None

    def _settle(self, action: Action, outcome: Outcome) -> None:
        """The end of a signal: told to the source, whose journal has it; a session that was only cancelled goes on."""
        self._source.settle(action, outcome)
        # Once it is terminated as well, only that says how it ended.
        cancelled = outcome.target.key in self._cancelled
        if (
            action is self._plan.action
            or outcome.status is Status.GONE
            or (cancelled and outcome.status is Status.UNKNOWN)
        ):
            self._end(outcome)
        elif cancelled:
            self._cancelled[outcome.target.key] = outcome

    def _end(self, outcome: Outcome) -> None:
        """The first end counts."""
        self._ended.setdefault(outcome.target.key, outcome)
        self._cancelled.pop(outcome.target.key, None)
        self._tell()

    def _outcomes(self) -> tuple[Outcome, ...]:
        return tuple(self._ended[target.key] for target in self._plan.targets if target.key in self._ended)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._tell()

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self.progress)

    async def _pause(self, seconds: float, until: asyncio.Event) -> None:
        """Sleep, unless the event comes first."""
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(until.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def _left(excluded: Excluded, when: str) -> Outcome:
    """The end of a session that a newer poll takes out of the plan."""
    reason = excluded.reasons[0]
    if reason == GONE:
        return Outcome(excluded.target, Status.GONE, when)
    detail = reason.removeprefix(CHANGED) if excluded.dropped else f"left alone: {reason}"
    return Outcome(excluded.target, Status.CHANGED, detail)
