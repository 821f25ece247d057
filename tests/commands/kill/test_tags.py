"""leak: and source: in a kill: the labels of the server's provider and of the configuration, and verdicts of now."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pgtop_conn.commands.common.observe import Watch
from pgtop_conn.commands.kill.options import Options
from pgtop_conn.commands.kill.run import kill
from pgtop_conn.config import Settings
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.history import observation
from pgtop_conn.model.labels.labels import labels_of
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import IDLE, Snapshot
from tests.postgres.conftest import OpenSession
from tests.support.command_line import run
from tests.support.postgres.leaking_application import applications
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

LEAKED = "leaky"


def pids_of(connections: list[Connection]) -> set[int]:
    return {one.get_server_pid() for one in connections}


async def test_source_is_the_provider_s_label_or_one_s_own(cluster: Cluster, clients: Clients) -> None:
    for name in ("supabase_admin", "authenticator", "shop"):
        await clients.role(cluster, name)
    rest = await clients.many(2, cluster, role="authenticator", app="postgrest")
    own = await clients.many(2, cluster, role="shop", app="billing-worker")
    labels = ("--labels", "Billing=app:billing*")

    async def planned(text: str) -> tuple[set[int], set[int]]:
        code, out, err = await run("kill", text, "--dry-run", "--json", *labels, cluster.uri())
        assert (code, err) in ((0, ""), (0, "pgtop-conn: no session matches the filter\n"))
        told = json.loads(out)
        return {one["pid"] for one in told["targets"]}, {one["pid"] for one in told["excluded"]}

    assert await planned("source:PostgREST role:authenticator") == (pids_of(rest), set())
    assert await planned("source:Billing") == (pids_of(own), set())
    assert await planned("!source:Billing role:shop") == (set(), set())
    code, out, err = await run("kill", "source:Billing", "--yes", "--json", *labels, cluster.uri())
    assert (code, err) == (0, "")
    assert {one["pid"]: one["outcome"] for one in json.loads(out)["targets"]} == dict.fromkeys(pids_of(own), "gone")
    assert [await one.fetchval("SELECT 1") for one in rest] == [1, 1]


def verdict(snapshot: Snapshot, *_others: object) -> tuple[tuple[Leak, ...], tuple[Leak, ...]]:
    """Calls the idle sessions of one application leaked."""
    pool = Pool(LEAKED, "shop", "postgres")
    idle = [one for one in snapshot.backends if one.app == LEAKED and one.state == IDLE]
    return (Leak(pool, 1.0, "it leaks", {}, {one.key: "idle for long" for one in idle}),), ()


@pytest.fixture
async def crowd(cluster: Cluster, clients: Clients) -> tuple[list[Connection], list[Connection]]:
    await clients.role(cluster, "shop")
    leaked = await clients.many(3, cluster, role="shop", app=LEAKED)
    return leaked, await clients.many(2, cluster, role="shop", app="web")


async def test_leak_is_judged_after_some_polls_and_only_the_judged_are_signalled(
    cluster: Cluster,
    clients: Clients,
    sessions: OpenSession,
    crowd: tuple[list[Connection], list[Connection]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leaked, healthy = crowd
    busy = leaked[0]
    await busy.execute("BEGIN")
    monkeypatch.setattr(observation, "find_leaks", verdict)
    session = await sessions(cluster)
    polls = 0
    ask = session.poll

    async def counted() -> Snapshot:
        nonlocal polls
        polls += 1
        return await ask()

    monkeypatch.setattr(session, "poll", counted)
    options = Options(parse("leak:yes role:shop"), as_json=True, dry_run=True)
    answer = await kill(session, options, Policy(), watch=Watch.for_s(0.3))
    assert polls >= 2
    assert {one["pid"] for one in json.loads(answer.out)["targets"]} == pids_of(leaked[1:])
    answer = await kill(session, replace(options, dry_run=False), Policy(), watch=Watch.for_s(0.1))
    assert answer.code == 0
    assert {one["pid"]: one["outcome"] for one in json.loads(answer.out)["targets"]} == dict.fromkeys(
        pids_of(leaked[1:]), "gone"
    )
    assert [await one.fetchval("SELECT 1") for one in (busy, *healthy)] == [1, 1, 1]


async def test_what_is_hidden_is_no_leak_and_no_healthy_session(
    cluster: Cluster,
    clients: Clients,
    sessions: OpenSession,
    crowd: tuple[list[Connection], list[Connection]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observation, "find_leaks", verdict)
    await clients.role(cluster, "stranger")
    session = await sessions(cluster, user="stranger")
    for text in ("leak:yes", "leak:no", "!leak:yes"):
        answer = await kill(
            session, Options(parse(f"{text} role:shop"), as_json=True, dry_run=True), Policy(), watch=Watch.for_s(0.0)
        )
        told = json.loads(answer.out)
        assert (told["targets"], told["excluded"]) == ([], [])


async def test_one_poll_s_word_on_leaks_is_no_ground_for_a_kill(
    cluster: Cluster,
    sessions: OpenSession,
    crowd: tuple[list[Connection], list[Connection]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(observation, "find_leaks", verdict)
    session = await sessions(cluster)
    answer = await kill(session, Options(parse('"idle for long"'), as_json=True, dry_run=True), Policy())
    told = json.loads(answer.out)
    assert (told["targets"], told["excluded"]) == ([], [])


async def test_labels_of_the_configuration_are_enough(
    cluster: Cluster, sessions: OpenSession, crowd: tuple[list[Connection], list[Connection]]
) -> None:
    session = await sessions(cluster)
    options = Options(parse("source:Shop"), as_json=True, dry_run=True)
    answer = await kill(session, options, Policy(), Settings(labels=labels_of({"Shop": "role:shop app:web"})))
    assert {one["pid"] for one in json.loads(answer.out)["targets"]} == pids_of(crowd[1])


async def test_a_real_leak_is_ended_and_a_pool_beside_it_is_not(
    cluster: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    async with applications(cluster, clients, leaky=LEAKED, pooled="web", pool_size=12) as both:
        await wait_until(lambda: len(both.leaked) >= 20, "it has leaked for a while")
        session = await sessions(cluster)
        answer = await kill(session, Options(parse("leak:yes"), as_json=True, most=99), Policy())
    told = json.loads(answer.out)
    assert answer.code == 0, answer.err
    ended = {one["pid"] for one in told["targets"]}
    assert len(ended) >= 20
    assert ended <= both.leaked_pids
    assert [await one.fetchval("SELECT 1") for one in both.pool] == [1] * len(both.pool)
