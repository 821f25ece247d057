"""Sessions for campaigns to end, and what is asked about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import Plan, make_plan
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.postgres.session import Session
from tests.support.servers import Clients, Connection, answers
from tests.support.waits import wait_until

POLICY = Policy()


def plan_for(snapshot: Snapshot, app: str, action: Action = Action.TERMINATE) -> Plan:
    """Everybody of this application, in the order they connected."""
    rows = sorted((one for one in snapshot.backends if one.app == app), key=lambda one: one.key.backend_start or 0.0)
    targets = [Target.of(backend, "marks") for backend in rows]
    plan = make_plan(action, targets, snapshot, POLICY, bulk=True)
    assert len(plan.targets) == len(targets) > 0
    return plan


async def alive(connections: Sequence[Connection]) -> list[bool]:
    return [await answers(connection) for connection in connections]


async def crowd(cluster: Cluster, clients: Clients, count: int) -> list[Connection]:
    await clients.role(cluster, "crowd")
    return await clients.many(count, cluster, role="crowd", app="crowd")


async def seen(session: Session, condition: Callable[[Snapshot], bool]) -> Snapshot:
    """The first poll that meets the condition."""
    found: list[Snapshot] = []

    async def met() -> bool:
        found[:] = [await session.poll()]
        return condition(found[0])

    await wait_until(met, "a poll shows it", every_s=0.01)
    return found[0]


def statuses(outcomes: Sequence[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


async def soon(_seconds: float) -> None:
    await asyncio.sleep(0)
