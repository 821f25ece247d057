"""An escalation whose cancel and terminate are followed together: only the terminate says how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import ACTIVE, Backend, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.campaign import Campaign
from tests.support.data.factories import NOW, make_backend, make_hidden, make_own, make_snapshot

PATIENCE_S = 10.0


class Noted:
    """Signals everybody, and keeps what it is told of each end."""

    def __init__(self) -> None:
        self.settled: list[tuple[Action, Status]] = []

    async def poll(self) -> Snapshot:
        raise AssertionError("the campaign looks by itself")

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        return [Outcome(target, Status.SIGNALLED) for target in targets]

    def settle(self, action: Action, outcome: Outcome) -> None:
        self.settled.append((action, outcome.status))

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        return


def seen(at: float, *rows: Backend) -> Snapshot:
    return make_snapshot([make_own(), *rows], taken_at=NOW + at)


async def test_a_cancel_that_is_given_up_does_not_end_what_was_terminated() -> None:
    busy = make_backend(1, state=ACTIVE, query_start=NOW - 5.0)
    polls = [
        seen(0.0, busy),
        seen(1.0, busy),
        seen(2.0, busy),
        seen(1.5 + PATIENCE_S, make_hidden(1)),
        seen(2.5 + PATIENCE_S),
    ]
    source = Noted()

    async def look() -> Snapshot:
        return polls.pop(0) if len(polls) > 1 else polls[0]

    async def sleep(_seconds: float) -> None:
        return

    plan = make_plan(Action.TERMINATE, [Target.of(busy, "marks")], polls[0], Policy())
    campaign = Campaign(source, look, plan, Policy(), escalate_after_s=0.5, patience_s=PATIENCE_S, sleep=sleep)
    (outcome,) = await campaign.run()
    assert outcome.status is Status.GONE
    assert source.settled == [(Action.CANCEL, Status.UNKNOWN), (Action.TERMINATE, Status.GONE)]
