"""What a headless kill leaves out because nobody is there to be asked, and what takes it in."""

from __future__ import annotations

import asyncio

import pytest

from pgtop_conn.demo.server import Cluster
from tests.support.command_line import kill
from tests.support.kill.cast import SLEEP
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until

BACKUPS = {True: "SELECT pg_backup_start('nightly', true)", False: "SELECT pg_start_backup('nightly', true, false)"}


@pytest.fixture
async def owner(every_cluster: Cluster, clients: Clients) -> Connection:
    """The superuser, who lets `careful` take a backup."""
    await clients.role(every_cluster, "careful")
    admin = await clients(every_cluster, app="admin")
    signature = (
        "pg_backup_start(text, boolean)" if every_cluster.major >= 15 else "pg_start_backup(text, boolean, boolean)"
    )
    await admin.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO careful")
    return admin


async def careful(cluster: Cluster, clients: Clients, app: str, *texts: str) -> Connection:
    connection = await clients(cluster, role="careful", app=app)
    for text in texts:
        await connection.execute(text)
    return connection


async def test_an_idle_session_is_judged_by_what_it_did(
    every_cluster: Cluster, clients: Clients, owner: Connection
) -> None:
    """Each has been idle since; one has run something else since it took its lock, which the server's locks tell."""
    kept = {
        "backup": await careful(every_cluster, clients, "backup", BACKUPS[every_cluster.major >= 15]),
        "listens": await careful(every_cluster, clients, "listens", "LISTEN jobs"),
        "locked": await careful(every_cluster, clients, "locked", "SELECT pg_advisory_lock(4711)", "SELECT 1"),
        "cursor": await careful(every_cluster, clients, "cursor", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"),
        "table": await careful(every_cluster, clients, "table", "CREATE TEMP TABLE kept (line int)"),
        "wrote": await careful(every_cluster, clients, "wrote", "BEGIN; SELECT pg_current_xact_id()"),
    }
    plain = await careful(every_cluster, clients, "plain", "SELECT 1")
    reset = await careful(every_cluster, clients, "reset", "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *;")
    code, told, err = await kill(every_cluster, "role:careful", "--yes")
    assert code == 1
    assert "6 sessions left out for a caution: --include-cautioned takes them in" in err
    assert {one["pid"] for one in told["targets"]} == {plain.get_server_pid(), reset.get_server_pid()}
    reasons = {one["pid"]: one["reasons"] for one in told["excluded"] if one["cautioned"]}
    assert {app: reasons[one.get_server_pid()] for app, one in kept.items()} == {
        "backup": ["an online backup would be aborted"],
        "listens": ["it listens for notifications"],
        "locked": ["it holds an advisory lock"],
        "cursor": ["it holds a cursor"],
        "table": ["its temporary tables would be lost"],
        "wrote": ["its transaction has written: it will be rolled back"],
    }
    assert [await one.fetchval("SELECT 1") for one in kept.values()] == [1] * len(kept)

    code, told, err = await kill(every_cluster, "role:careful", "--yes", "--include-cautioned")
    assert (code, err, told["excluded"]) == (0, "", [])
    assert {one["outcome"] for one in told["targets"]} == {"gone"}
    assert {one["pid"] for one in told["targets"]} == {one.get_server_pid() for one in kept.values()}


async def test_a_running_dump_and_a_vacuum_are_left_out(
    every_cluster: Cluster, clients: Clients, owner: Connection
) -> None:
    dump = await careful(every_cluster, clients, "pg_dump")
    makes = await careful(every_cluster, clients, "makes")
    making = "/* nightly */ CREATE TEMP TABLE t AS SELECT 1 FROM pg_sleep(300)"
    works = [asyncio.create_task(dump.execute(SLEEP)), asyncio.create_task(makes.execute(making))]

    async def working() -> bool:
        text = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'careful'"
        return bool(await owner.fetchval(text) == 2)

    await wait_until(working, "both work", every_s=0.01)
    code, told, _ = await kill(every_cluster, "role:careful", "--yes")
    assert (code, told["targets"]) == (1, [])
    assert {one["reasons"][0] for one in told["excluded"]} == {"a running pg_dump", "running CREATE"}
    code, told, _ = await kill(every_cluster, "role:careful", "--dry-run")
    assert (code, len([one for one in told["excluded"] if one["cautioned"]])) == (0, 2)
    code, told, _ = await kill(every_cluster, "role:careful", "--yes", "--include-cautioned")
    assert (code, [one["outcome"] for one in told["targets"]]) == (0, ["gone", "gone"])
    await asyncio.gather(*works, return_exceptions=True)


async def test_a_session_of_which_nothing_is_shown_is_no_match_for_a_filter(
    every_cluster: Cluster, clients: Clients, owner: Connection
) -> None:
    """A dump that runs without statistics looks like any other session: nobody can tell, so nobody is ended."""
    await owner.execute("ALTER ROLE careful SET track_activities = off")
    dump = await careful(every_cluster, clients, "nightly")
    work = asyncio.create_task(dump.execute("CREATE TEMP TABLE t AS SELECT 1 FROM pg_sleep(300)"))
    for more in ((), ("--include-cautioned",)):
        code, told, _ = await kill(every_cluster, "role:careful", "--yes", *more)
        assert (code, told["targets"]) == (2, [])
        (left,) = told["excluded"]
        assert left["reasons"][0] == "what it does is not shown: track_activities is off for it"
        assert left["cautioned"] is False
    assert not work.done()
    dump.terminate()
    await asyncio.gather(work, return_exceptions=True)
