"""The ways a user chooses sessions, each carried out as the screen or the command line does it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgtop_conn.commands.kill.options import Options
from pgtop_conn.commands.kill.run import kill
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.free_slots import free_slots
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.campaign import Campaign
from pgtop_conn.postgres.session import Session
from pgtop_conn.view.table.groups import GROUPINGS, group
from tests.support.kill.cast import Cast
from tests.support.kill.oracle import Rules, expected, look
from tests.support.kill.tally import TALLY

#: As fast as it goes: how the pace is kept has tests of its own.
FAST = 1_000_000.0


class Watched:
    """The session, and every identity that it was asked to signal and did."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.signalled: set[int] = set()

    async def poll(self) -> Snapshot:
        return await self._session.poll()

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        outcomes = await self._session.signal(action, targets)
        sent = {outcome.target.key.pid for outcome in outcomes if outcome.status is Status.SIGNALLED}
        self.signalled |= sent
        TALLY.signals += len(sent)
        return outcomes

    def settle(self, action: Action, outcome: Outcome) -> None:
        return

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        await self._session.close()


@dataclass(frozen=True, slots=True)
class Scene:
    """One choice on one population: whose monitor, by what rules."""

    cast: Cast
    source: Watched
    monitor: str
    rules: Rules

    @property
    def policy(self) -> Policy:
        return Policy(
            allow_replication=self.rules.allow_replication,
            allow_superuser=self.rules.allow_superuser,
            protected_roles=(f"{self.rules.protected}*",),
            replication_roles=(f"{self.rules.replicates}*",),
        )

    @property
    def action(self) -> Action:
        return Action.CANCEL if self.rules.cancel else Action.TERMINATE

    async def carry_out(self, chosen: Sequence[Backend], chosen_by: str, bulk: bool | None = None) -> None:
        """Plan and confirm, as asked; then the signalled must be those of the oracle."""
        snapshot = await self.source.poll()
        truth = await look(self.cast.admin, self.monitor)
        rules = self.rules if bulk is None else replace(self.rules, bulk=bulk)
        wanted = expected(truth, [backend.pid for backend in chosen], rules)
        before = set(self.source.signalled)
        targets = [Target.of(backend, chosen_by) for backend in chosen]
        plan = make_plan(self.action, targets, snapshot, self.policy, bulk=rules.bulk)
        TALLY.plans += 1
        campaign = Campaign(self.source, self.source.poll, plan, self.policy, per_second=FAST)
        outcomes = await campaign.run()
        signalled = self.source.signalled - before
        TALLY.protected += sum(truth[pid].protected(rules) for pid in signalled)
        assert signalled == wanted, self._difference(signalled, wanted, chosen)
        assert {outcome.status for outcome in outcomes} <= {Status.GONE, Status.CANCELLED}

    def _difference(self, signalled: set[int], wanted: set[int], chosen: Sequence[Backend]) -> str:
        told = {backend.pid: f"{backend.pid} {backend.role} {backend.app}" for backend in chosen}
        wrongly = [told[pid] for pid in signalled - wanted]
        missed = [told[pid] for pid in wanted - signalled]
        return f"{self.monitor} {self.rules}: wrongly {wrongly}, missed {missed}"


async def single(scene: Scene) -> None:
    for backend in (await scene.source.poll()).backends:
        if backend.app != "admin":
            await scene.carry_out([backend], "the cursor", bulk=False)


async def marks(scene: Scene) -> None:
    snapshot = await scene.source.poll()
    await scene.carry_out([backend for backend in snapshot.backends if backend.app != "admin"], "marks")


async def groups(scene: Scene) -> None:
    snapshot = await scene.source.poll()
    for found in group(snapshot.backends, GROUPINGS["state"], snapshot.taken_at, 0):
        members = [backend for backend in found.backends if backend.app != "admin"]
        await scene.carry_out(members, f"group state={found.path[-1]}", bulk=len(members) > 1)


async def filtered(scene: Scene) -> None:
    snapshot = await scene.source.poll()
    wanted = parse("!app:admin")
    await scene.carry_out([b for b in snapshot.backends if wanted.matches(b, snapshot.taken_at)], "filter !app:admin")


async def freed(scene: Scene) -> None:
    """As many as can be had: whoever is idle, an ordinary role's, and may be signalled in bulk without a question."""
    seen = await scene.source.poll()
    # Idle long enough, and without a lock, which are no matter of the guards.
    at = seen.taken_at + 60
    assert seen.locks is not None
    later = replace(seen, taken_at=at, locks=replace(seen.locks, at=at, holders=frozenset()))
    picks = free_slots(1000, later, scene.policy, lambda _app: None).picks
    truth = await look(scene.cast.admin, scene.monitor)
    harmless = {
        pid
        for pid, one in truth.items()
        if one.signalled(scene.rules)
        and not one.is_asked_about
        and (one.backend_type, one.state, one.superuser) == ("client backend", "idle", False)
    }
    assert {pick.backend.pid for pick in picks} == harmless
    await scene.carry_out([pick.backend for pick in picks], "free")


async def headless(scene: Scene) -> None:
    truth = await look(scene.cast.admin, scene.monitor)
    matching = [pid for pid in truth if truth[pid].app != "admin"]
    wanted = expected(truth, matching, scene.rules)
    left_out = expected(truth, matching, replace(scene.rules, include_cautioned=True)) - wanted
    options = Options(
        parse("!app:admin"),
        scene.action,
        most=1000,
        as_json=True,
        per_second=FAST,
        include_cautioned=scene.rules.include_cautioned,
    )
    answer = await kill(scene.source, options, scene.policy)
    TALLY.plans += 1
    TALLY.protected += sum(truth[pid].protected(scene.rules) for pid in scene.source.signalled if pid in truth)
    assert scene.source.signalled == wanted, (scene.monitor, scene.rules, wanted ^ scene.source.signalled)
    told = json.loads(answer.out)
    ended = {"cancelled"} if scene.rules.cancel else {"gone"}
    assert {target["pid"] for target in told["targets"]} == wanted
    assert {target["outcome"] for target in told["targets"]} <= ended
    assert {one["pid"] for one in told["excluded"]} >= scene.cast.pids - wanted
    assert all(one["reasons"] for one in told["excluded"])
    assert {one["pid"] for one in told["excluded"] if one["cautioned"]} == left_out
    assert answer.code == (1 if left_out else 0 if wanted else 2)
    assert (f"{len(left_out)} session" in answer.err) is bool(left_out)


async def dead_are_the_signalled(scene: Scene) -> None:
    """What the server says: those who were terminated are gone, and nobody else."""
    ended = await scene.cast.reap()
    assert ended == (set() if scene.rules.cancel else scene.source.signalled & (ended | scene.cast.pids))
