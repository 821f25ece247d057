"""Signals: sends confirmed plans one after the other and tells what became of them, as the next polls show it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.guards import Policy
from pgtop_conn.model.plan import Ask, Plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Status
from pgtop_conn.model.verify import Verification
from pgtop_conn.view import plans

log = logging.getLogger(__name__)

#: Failures named one by one in a message.
NAMED_AT_MOST = 5
#: While the end of a session is awaited, polls are at most this far apart.
VERIFY_EVERY_S = 0.5
GOOD = (Status.GONE, Status.CANCELLED)

Severity = Literal["information", "warning", "error"]
Tell = Callable[[str, Severity], None]


def narrowed(plan: Plan, snapshot: Snapshot, policy: Policy) -> Plan:
    """The plan on a newer snapshot: what left or changed is excluded, and what is excluded never comes back."""
    newer = replace(plan, chosen=plan.targets).renewed(snapshot, policy)
    return replace(newer, chosen=plan.chosen, excluded=(*plan.excluded, *newer.excluded))


def asks_more(plan: Plan, newer: Plan) -> bool:
    """Whether the confirmation that was given for `plan` is not enough for `newer`; fewer targets never ask more."""
    strength = {Ask.YES: 0, Ask.TYPE_COUNT: 1, Ask.TYPE_ROLE: 2}
    if strength[newer.ask] > strength[plan.ask]:
        return True
    return newer.ask is Ask.TYPE_ROLE and newer.answer != plan.answer


@dataclass(slots=True)
class _Sent:
    """One plan that was sent, until the last of its targets is settled."""

    action: Action
    verification: Verification
    settled: list[Outcome] = field(default_factory=list)
    polls: int = 0


class Signals:
    """Holds the source's turn while it signals, so that no poll is under way."""

    def __init__(self, source: Source, turn: asyncio.Lock, tell: Tell) -> None:
        self._source = source
        self._turn = turn
        self._tell = tell
        self._sent: list[_Sent] = []
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Signalled sessions of which nothing is known yet."""
        return sum(sent.verification.pending for sent in self._sent)

    async def send(self, plan: Plan) -> None:
        """Signal the plan's targets; whoever waits for this may be cancelled, the signalling itself is not."""
        task = asyncio.create_task(self._send(plan), name="signal")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        await asyncio.shield(task)

    async def finish(self, patience_s: float = 10.0) -> None:
        """Let what is being sent come to its end, so that each outcome is known to the source and its journal."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=patience_s)

    async def _send(self, plan: Plan) -> None:
        try:
            async with self._turn:
                outcomes = await self._source.signal(plan.action, plan.targets)
        except PgtopError as error:
            log.warning("%s failed: %s", plan.action, error)
            self._tell(f"{plan.action}: {error}; look which sessions are left before trying again", "error")
            return
        sent = _Sent(plan.action, Verification())
        sent.verification.expect(plan.action, outcomes)
        sent.settled = [outcome for outcome in outcomes if outcome.status is not Status.SIGNALLED]
        self._sent.append(sent)
        self._report_settled()

    def observe(self, snapshot: Snapshot) -> None:
        """What a new poll says about the sessions that were signalled."""
        for sent in self._sent:
            sent.settled += sent.verification.observe(snapshot)
            sent.polls += 1
            if sent.polls == 2 and sent.verification.pending:
                waiting = plans.plural(sent.verification.pending, "session")
                self._tell(f"{sent.action}: signalled, waiting for {waiting} to end", "information")
        self._report_settled()

    def _report_settled(self) -> None:
        for sent in [sent for sent in self._sent if not sent.verification.pending]:
            self._sent.remove(sent)
            failures = [outcome for outcome in sent.settled if outcome.status not in GOOD]
            lines = [plans.summary(sent.action, sent.settled), *map(_failure, failures[:NAMED_AT_MOST])]
            if len(failures) > NAMED_AT_MOST:
                lines.append(f"and {len(failures) - NAMED_AT_MOST} more")
            self._tell("\n".join(lines), "warning" if failures else "information")


def _failure(outcome: Outcome) -> str:
    target = outcome.target
    detail = f": {outcome.detail}" if outcome.detail else ""
    return f"{target.key.pid} {target.role} {target.app} {outcome.status}{detail}"
