"""The installed command in a real terminal on a real server: see the table, free a slot, leave all as it was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.servers import Clients
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, LEAVE_ALTERNATE_SCREEN, Terminal
from tests.support.waits import wait_until

RIGHT, DOWN = "\x1b[C", "\x1b[B"


async def own_sessions(clients: Clients, cluster: Cluster) -> int:
    """How many sessions pgtop-conn holds."""
    admin = await clients(cluster, app="check")
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"
    return int(await admin.fetchval(query))


@pytest.mark.parametrize(("columns", "rows"), [(120, 36), (80, 24)])
async def test_see_the_table_free_a_slot_and_leave(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path, columns: int, rows: int
) -> None:
    role = await clients.role(cluster, "leaker")
    victim, *others = await clients.many(3, cluster, role=role, app="billing")
    await victim.fetch("SELECT 'the oldest'")
    for other in others:
        await other.fetch("SELECT 'younger'")
    async with Terminal(["--interval", "0.5", cluster.uri()], columns=columns, rows=rows) as terminal:
        await terminal.shows("billing", "Headroom", "ordinary", "3")
        assert await own_sessions(clients, cluster) == 1
        terminal.type("g" + RIGHT)
        await terminal.shows("the oldest" if columns > 100 else "QUERY")
        terminal.type(DOWN + "x")
        await terminal.shows("Terminate session", "leaker")
        await terminal.answers_yes()
        await terminal.shows("gone")
        await wait_until(victim.is_closed, "the client has heard of its end, too")
        assert not any(other.is_closed() for other in others)
        terminal.type("q")
        assert await terminal.ends() == 0
        assert terminal.modes() == terminal.modes_before
        assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == terminal.written.count(LEAVE_ALTERNATE_SCREEN) == 1

    async def left() -> bool:
        return await own_sessions(clients, cluster) == 0

    await wait_until(left, "our session is closed")
    journal = scrubbed_environment / "state" / "pgtop-conn" / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["event"] for line in lines][:2] == ["asked", "sent"]
    assert {line["role"] for line in lines} == {"leaker"}
    assert journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_restores_the_terminal_and_closes_the_session(
    cluster: Cluster, clients: Clients, number: signal.Signals
) -> None:
    async with Terminal([cluster.uri()]) as terminal:
        await terminal.shows("Headroom")
        os.kill(terminal.process.pid, number)
        await terminal.ends()
        assert terminal.modes() == terminal.modes_before
        assert terminal.written.count(ENTER_ALTERNATE_SCREEN) == terminal.written.count(LEAVE_ALTERNATE_SCREEN)
        assert "Traceback" not in terminal.written.decode(errors="replace")

    async def left() -> bool:
        return await own_sessions(clients, cluster) == 0

    await wait_until(left, "our session is closed")


async def test_one_session_before_and_after_a_restart_and_the_view_survives(
    make_cluster: MakeCluster, clients: Clients
) -> None:
    cluster = make_cluster()
    await clients(cluster, app="billing")
    async with Terminal(["--interval", "0.25", "--group", "role", cluster.uri()]) as terminal:
        await terminal.shows("postgres", "by role")
        terminal.type("/state:idle\r")
        await terminal.shows("filter: state:idle")
        cluster.stop("immediate")
        await terminal.shows("STALE", "reconnecting", "filter: state:idle")
        cluster.start()
        await terminal.shows("filter: state:idle", "by role", "every 0.25 s")

        def fresh() -> bool:
            return "STALE" not in terminal.text

        await wait_until(fresh, "the data are fresh again")
        assert await own_sessions(clients, cluster) == 1
        terminal.type("q")
        assert await terminal.ends() == 0


async def test_a_password_is_asked_for_before_the_screen(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(hba=["local all locked scram-sha-256", "local all all trust"])
    await clients.role(cluster, "locked", "LOGIN PASSWORD 'opensesame'")
    async with Terminal(["-U", "locked", "-d", "postgres", "-h", str(cluster.socket_dir)]) as terminal:
        await terminal.shows("Password for user locked:")
        assert ENTER_ALTERNATE_SCREEN not in terminal.written
        terminal.type("opensesame\n")
        await terminal.shows("Headroom")
        assert b"opensesame" not in terminal.written
        terminal.type("q")
        assert await terminal.ends() == 0
