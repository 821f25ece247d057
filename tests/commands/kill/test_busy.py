"""An application with statements too short to be chosen: bound to who it is instead, and only on an explicit word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.monitor.campaign import Campaign
from tests.postgres.conftest import OpenSession
from tests.postgres.test_signal import target_of, terminate
from tests.support.command_line import run
from tests.support.kill.crowds import statuses
from tests.support.servers import Clients, Connection


@asynccontextmanager
async def runaway(connections: list[Connection], text: str = "SELECT 1") -> AsyncIterator[list[asyncio.Task[None]]]:
    """Each runs the statement again and again, until its session ends."""

    async def work(connection: Connection) -> None:
        while True:
            await connection.execute(text)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(one)) for one in connections]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("more", [(), ("--escalate", "0.1")], ids=["at once", "after a cancel"])
async def test_a_runaway_application_is_ended(every_cluster: Cluster, clients: Clients, more: tuple[str, ...]) -> None:
    await clients.role(every_cluster, "runaway")
    connections = await clients.many(8, every_cluster, role="runaway", app="hasty")
    async with runaway(connections) as tasks:
        code, out, _ = await run("kill", "app:hasty", "--yes", "--json", *more, every_cluster.uri())
        assert code == 1
        assert {one["outcome"] for one in json.loads(out)["targets"]} == {"changed"}
        code, out, err = await run("kill", "app:hasty", "--yes", "--busy", "--json", *more, every_cluster.uri())
        assert (code, err) == (0, "")
        assert [one["outcome"] for one in json.loads(out)["targets"]] == ["gone"] * 8
        # Each found its connection closed.
        await asyncio.wait(tasks, timeout=10)
        assert all(task.done() for task in tasks)


async def test_one_that_writes_by_then_is_left_alone(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "runaway")
    writer = await clients(every_cluster, role="runaway", app="hasty")
    session = await sessions(every_cluster)
    target = target_of(await session.poll(), "hasty", busy=True)
    await writer.execute("BEGIN; CREATE TEMP TABLE note (line int)")
    (outcome,) = await terminate(session, target)
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "its transaction has written since it was chosen")
    plan = make_plan(Action.TERMINATE, [target], await session.poll(), Policy(), bulk=False)
    assert [item.reasons for item in plan.excluded] == [("changed since it was selected: its transaction has written",)]
    # Chosen while it writes, it is asked about, and may have ended that transaction by then.
    target = target_of(await session.poll(), "hasty", busy=True)
    await writer.execute("ROLLBACK")
    assert (await terminate(session, target))[0].status is Status.SIGNALLED


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"app": "other"}, "its application is now called hasty"),
        ({"app_host": "10.0.0.7:5123"}, "its application is now called hasty"),
        ({"role": "other"}, "its role is now called runaway"),
        ({"backend_type": "walsender"}, "left alone: it is guarded"),
    ],
    ids=str,
)
async def test_the_server_asks_who_it_is(
    cluster: Cluster, clients: Clients, sessions: OpenSession, changes: dict[str, Any], detail: str
) -> None:
    await clients.role(cluster, "runaway")
    victim = await clients(cluster, role="runaway", app="hasty")
    session = await sessions(cluster)
    target = replace(target_of(await session.poll(), "hasty", busy=True), **changes)
    await victim.execute("SELECT 1")
    (outcome,) = await terminate(session, target)
    assert outcome.detail == detail
    assert await victim.fetchval("SELECT 1") == 1


async def test_a_name_that_the_server_escapes_is_the_same_one(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(every_cluster, "runaway")
    victim = await clients(every_cluster, role="runaway", app="Büro")
    session = await sessions(every_cluster)
    (row,) = (one for one in (await session.poll()).backends if one.role == "runaway")
    assert row.app == ("Büro" if every_cluster.major >= 16 else "B??ro")
    target = Target.of(row, busy=True)
    await victim.execute("SELECT 1")
    assert (await terminate(session, target))[0].status is Status.SIGNALLED


async def test_a_name_that_changed_since_is_another_application(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "runaway")
    victim = await clients(cluster, role="runaway", app="hasty")
    session = await sessions(cluster)
    target = target_of(await session.poll(), "hasty", busy=True)
    await victim.execute("SET application_name = 'pg_dump'")
    (outcome,) = await terminate(session, target)
    assert (outcome.status, outcome.detail) == (Status.CHANGED, "its application is now called pg_dump")
    plan = make_plan(Action.TERMINATE, [target], await session.poll(), Policy())
    assert [item.dropped for item in plan.excluded] == [True]


async def test_work_that_nobody_was_asked_about_is_left_alone(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    """Between the question and the signal it goes over to what would have been asked about."""
    await clients.role(cluster, "runaway")
    victim = await clients(cluster, role="runaway", app="hasty")
    session = await sessions(cluster)
    seen = await session.poll()
    (row,) = (one for one in seen.backends if one.app == "hasty")
    plan = make_plan(Action.TERMINATE, [Target.of(row, busy=True)], seen, Policy())
    await victim.execute("LISTEN jobs")
    outcomes = await Campaign(session, session.poll, plan, Policy()).run()
    assert [(one.status, one.detail) for one in outcomes] == [
        (Status.CHANGED, "left alone: it listens for notifications")
    ]
    assert await victim.fetchval("SELECT 1") == 1


async def test_one_that_rested_when_it_was_chosen_is_bound_to_its_statement(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(cluster, "runaway")
    rested = await clients(cluster, role="runaway", app="rested")
    session = await sessions(cluster)
    (row,) = (one for one in (await session.poll()).backends if one.app == "rested")
    assert row.state_change is not None
    assert row.is_busy(row.state_change + 4.9)
    assert not row.is_busy(row.state_change + 5.1)
    assert replace(row, state="active").is_busy(row.state_change + 3600)
    assert not replace(row, state="disabled", state_change=None).is_busy(row.state_change)
    target = Target.of(row, busy=row.is_busy(row.state_change + 5.1))
    await rested.execute("SELECT 1")
    assert statuses(await terminate(session, target)) == [Status.CHANGED]
