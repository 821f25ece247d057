"""pgtop-conn kill and pgtop-conn journal as typed: exit codes, JSON, and what is left on the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from pgtop_conn.commands.kill.options import Options
from pgtop_conn.commands.kill.run import kill as kill_command
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.signalling.guards import Policy
from tests.postgres.conftest import OpenSession
from tests.program.test_imports import HEAVY, loaded
from tests.support.command_line import kill, run
from tests.support.servers import Clients, Connection
from tests.support.waits import wait_until


async def crowd(cluster: Cluster, clients: Clients, count: int, app: str = "web") -> list[Connection]:
    return await clients.many(count, cluster, role="crowd", app=app)


@pytest.fixture
async def admin(cluster: Cluster, clients: Clients) -> Connection:
    await clients.role(cluster, "crowd")
    return await clients(cluster, app="admin")


async def left(admin: Connection, app: str = "web") -> set[int]:
    rows = await admin.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = $1", app)
    return {row["pid"] for row in rows}


async def test_a_dry_run_is_the_plan_and_sends_nothing(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    connections = await crowd(cluster, clients, 3)
    await crowd(cluster, clients, 1, app="pgtop-conn")
    code, told, err = await kill(cluster, "role:crowd", "--dry-run")
    assert (code, err) == (0, "")
    assert list(told) == ["action", "dry_run", "targets", "excluded", "headroom"]
    assert (told["action"], told["dry_run"]) == ("terminate", True)
    (target, *_) = told["targets"]
    began = await admin.fetchval("SELECT backend_start FROM pg_stat_activity WHERE pid = $1", target["pid"])
    assert target == {
        "pid": target["pid"],
        "backend_start": began.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "role": "crowd",
        "app": "web",
        "outcome": None,
    }
    assert {one["pid"] for one in told["targets"]} == {one.get_server_pid() for one in connections}
    (colleague,) = told["excluded"]
    assert (colleague["role"], colleague["reasons"]) == (
        "crowd",
        ["it calls itself pgtop-conn: another monitor, or an application under that name"],
    )
    assert told["headroom"]["after"] == told["headroom"]["before"] + 3
    assert len(await left(admin)) == 3


async def test_a_kill_ends_the_matches_and_measures_the_headroom(every_cluster: Cluster, clients: Clients) -> None:
    await clients.role(every_cluster, "crowd")
    admin = await clients(every_cluster, app="admin")
    await crowd(every_cluster, clients, 3)
    (other,) = await crowd(every_cluster, clients, 1, app="other")
    code, told, err = await kill(every_cluster, "app:web", "--yes")
    assert (code, err, told["dry_run"]) == (0, "", False)
    assert [target["outcome"] for target in told["targets"]] == ["gone"] * 3
    assert told["headroom"]["after"] == told["headroom"]["before"] + 3
    assert await left(admin) == set()
    assert await other.fetchval("SELECT 1") == 1


async def test_keep_newest(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    pids = [one.get_server_pid() for one in await crowd(cluster, clients, 4)]
    code, told, _ = await kill(cluster, "app:web", "--yes", "--keep-newest", "2")
    assert (code, {target["pid"] for target in told["targets"]}) == (0, set(pids[:2]))
    assert [one["reasons"] for one in told["excluded"]] == [["one of the newest 2 that are kept"]] * 2
    assert await left(admin) == set(pids[2:])
    # So few that all of them are kept is how it should be, and no refusal.
    code, told, err = await kill(cluster, "app:web", "--yes", "--keep-newest", "5")
    assert (code, told["targets"]) == (0, [])
    assert "every match is one of the newest 2 that are kept" in err
    assert await left(admin) == set(pids[2:])


async def test_cancel_and_escalate(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    busy, idle = await crowd(cluster, clients, 2)
    works = [asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))]

    async def sleeping() -> bool:
        text = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        return bool(await admin.fetchval(text))

    await wait_until(sleeping, "it sleeps", every_s=0.01)
    code, told, _ = await kill(cluster, "app:web", "--cancel", "--yes")
    assert (code, told["action"]) == (0, "cancel")
    assert [(target["pid"], target["outcome"]) for target in told["targets"]] == [(busy.get_server_pid(), "cancelled")]
    assert [one["pid"] for one in told["excluded"]] == [idle.get_server_pid()]
    assert told["headroom"]["after"] == told["headroom"]["before"]
    await asyncio.gather(*works, return_exceptions=True)
    assert len(await left(admin)) == 2

    works.append(asyncio.create_task(busy.execute("SELECT pg_sleep(60)")))
    await wait_until(sleeping, "it sleeps again", every_s=0.01)
    code, told, _ = await kill(cluster, "app:web", "--escalate", "0.3", "--yes")
    assert (code, told["action"]) == (0, "terminate")
    assert [target["outcome"] for target in told["targets"]] == ["gone", "gone"]
    await asyncio.gather(*works, return_exceptions=True)
    assert await left(admin) == set()


async def test_more_than_max_is_refused_and_says_how_many(
    cluster: Cluster, clients: Clients, admin: Connection
) -> None:
    await crowd(cluster, clients, 11)
    code, out, err = await run("kill", "app:web", "--yes", cluster.uri())
    assert (code, "web" in out) == (2, True)
    assert "11 sessions planned, which is more than --max 10" in err
    code, _, err = await run("kill", "app:web", "--dry-run", cluster.uri())
    assert code == 0
    assert "without --dry-run this is refused: 11 sessions" in err
    assert len(await left(admin)) == 11
    code, _, _ = await run("kill", "app:web", "--yes", "--max", "11", cluster.uri())
    assert (code, await left(admin)) == (0, set())


async def test_nothing_matches_and_all_are_excluded(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    code, told, err = await kill(cluster, "app:nobody", "--yes")
    assert (code, told["targets"], told["excluded"]) == (0, [], [])
    assert "no session matches" in err
    code, told, err = await kill(cluster, "app:admin", "--yes")
    assert (code, told["targets"]) == (2, [])
    assert "the only match is excluded, nothing was sent" in err
    assert told["excluded"][0]["role"] == "postgres"
    # The others of ours are named, and so is this one.
    code, out, err = await run("kill", "app:pgtop-conn", "--yes", cluster.uri())
    assert code == 2
    assert "this is our own session" in out
    assert await admin.fetchval("SELECT 1") == 1


async def test_a_superuser_goes_only_when_allowed(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    await clients.role(cluster, "crowd_boss", "LOGIN SUPERUSER")
    await clients(cluster, role="crowd_boss", app="root")
    code, _, _ = await kill(cluster, "app:root", "--yes")
    assert (code, len(await left(admin, "root"))) == (2, 1)
    code, _, _ = await kill(cluster, "app:root", "--yes", "--allow-superuser")
    assert (code, await left(admin, "root")) == (0, set())


async def test_a_stopped_backend_is_exit_code_1(
    cluster: Cluster, clients: Clients, admin: Connection, sessions: OpenSession
) -> None:
    frozen, other = [one.get_server_pid() for one in await crowd(cluster, clients, 2)]
    session = await sessions(cluster)
    os.kill(frozen, signal.SIGSTOP)
    try:
        answer = await kill_command(session, Options(parse("app:web"), as_json=True, patience_s=0.3), Policy())
    finally:
        os.kill(frozen, signal.SIGCONT)
    told = json.loads(answer.out)
    assert answer.code == 1
    ends = {target["pid"]: target["outcome"] for target in told["targets"]}
    assert ends == {frozen: "still there", other: "gone"}
    assert answer.err == "1 of 2 sessions did not end as wanted"
    assert told["headroom"]["after"] == told["headroom"]["before"] + 1


async def start(cluster: Cluster, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pgtop_conn",
        "kill",
        *arguments,
        cluster.uri(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


async def test_ctrl_c_stops_between_two_signals_and_reports(
    cluster: Cluster, clients: Clients, admin: Connection
) -> None:
    pids = {one.get_server_pid() for one in await crowd(cluster, clients, 50)}
    process = await start(cluster, "app:web", "--yes", "--max", "50", "--json", "--reason", "deploy went wrong")

    async def begun() -> bool:
        return len(await left(admin)) <= 45

    await wait_until(begun, "some are gone", every_s=0.01)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == 1, err
    told = json.loads(out)
    gone = {target["pid"] for target in told["targets"] if target["outcome"] == "gone"}
    unsent = {target["pid"] for target in told["targets"] if target["outcome"] is None}
    assert gone | unsent == pids
    assert len(gone) >= 5
    assert unsent == await left(admin)
    assert f"{len(unsent)} of 50 sessions did not end as wanted".encode() in err

    code, out_text, remark = await run("journal", "--json")
    assert (code, remark) == (0, "")
    lines = json.loads(out_text)
    assert {line["pid"] for line in lines} == gone
    assert {(line["outcome"], line["reason"], line["chosen_by"]) for line in lines} == {
        ("gone", "deploy went wrong", "filter app:web")
    }
    code, out_text, _ = await run("journal", "--last", "2")
    assert [f"terminate {line['pid']} " in text for line, text in zip(lines[-2:], out_text.splitlines(), strict=True)]
    assert all("→ gone [filter app:web] because: deploy went wrong" in text for text in out_text.splitlines())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["app:web"], "refused without --yes"),
        ([""], "an empty filter"),
        (["  ", "--yes"], "an empty filter"),
        ([], "required: FILTER"),
        (["app:web", "--yes", "--read-only"], "read-only"),
        (["app:web", "--yes", "--max", "some"], "--max: expected a whole number"),
        (["app:web", "--yes", "--keep-newest", "-1"], "--keep-newest"),
        (["app:web", "--yes", "--escalate", "soon"], "--escalate: expected seconds"),
        (["app:web", "--yes", "--escalate", "nan"], "--escalate: expected seconds"),
        (["app:web", "--yes", "--escalate", "1", "--cancel"], "leave --cancel out"),
        (["app:web", "--yes", "--busy", "--cancel"], "--busy is for sessions that are terminated"),
        (["app:web", "--yes", "--filter", "app:web"], "unrecognized option --filter"),
        (["!source:aws", "--dry-run"], "source: nobody has a label"),
        (["!source:aws", "--yes", "--labels", "Web=idle>3s"], "--labels: label 'Web': a label looks at"),
        (["postgresql://me:secret@host/db", "app:web", "--yes"], "the filter comes first"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_bad_input_sends_nothing_and_is_exit_code_2(
    cluster: Cluster, clients: Clients, admin: Connection, arguments: list[str], expected: str
) -> None:
    await crowd(cluster, clients, 1)
    where = ["-h", str(cluster.socket_dir), "-p", str(cluster.port), "-U", "postgres", "-d", "postgres"]
    code, out, err = await run("kill", *arguments, *where)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert expected in err
    assert "secret" not in err
    assert len(await left(admin)) == 1


async def test_half_a_filter_kills_nobody(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    await crowd(cluster, clients, 1)
    code, out, err = await run("kill", "app:web idel>0s", "--yes", cluster.uri())
    assert (code, out) == (2, "")
    assert "did you mean idle" in err
    assert len(await left(admin)) == 1


async def test_a_filter_from_elsewhere_neither_narrows_nor_widens(
    cluster: Cluster, clients: Clients, admin: Connection
) -> None:
    await crowd(cluster, clients, 2)
    code, out, _ = await run(
        "kill", "app:web", "--dry-run", "--json", cluster.uri(), environ={"PGTOP_CONN_FILTER": "app:other"}
    )
    assert (code, len(json.loads(out)["targets"])) == (0, 2)


async def test_read_only_still_shows_a_plan(cluster: Cluster, clients: Clients, admin: Connection) -> None:
    (writer,) = await crowd(cluster, clients, 1)
    await writer.execute("BEGIN; CREATE TEMP TABLE note (line int)")
    code, out, err = await run("kill", "app:web", "--dry-run", "--read-only", cluster.uri())
    assert (code, "1 session left out for a caution" in err) == (0, True)
    code, out, _ = await run("kill", "app:web", "--dry-run", "--read-only", "--include-cautioned", cluster.uri())
    assert code == 0
    assert "1 session would be terminated" in out
    assert "! 1 × its transaction has written: it will be rolled back" in out


async def test_the_table_is_plain_text_and_names_every_reason(
    cluster: Cluster, clients: Clients, admin: Connection
) -> None:
    await crowd(cluster, clients, 1, app="[red]x[/red]")
    await clients(cluster, app="[red]y[/red]")
    code, out, err = await run("kill", "app~red", "--yes", "--escalate", "0", cluster.uri())
    assert (code, err) == (0, "")
    assert "[red]x[/red]" in out
    assert "gone" in out
    assert "replication: role postgres may replicate" in out
    assert "\x1b" not in out


async def test_help_names_the_exit_codes_and_the_keys() -> None:
    code, out, err = await run("kill", "--help")
    assert (code, err) == (0, "")
    for text in ("exit codes:", "  2  refused", "--keep-newest K", "idle>10m", "blocked:yes"):
        assert text in out


def test_help_and_the_journal_load_nothing_heavy() -> None:
    for words in (["kill", "--help"], ["kill", "app:web"], ["journal"]):
        code = f"from pgtop_conn.cli import main\ntry: main({words!r})\nexcept SystemExit: pass"
        assert loaded(code).isdisjoint(HEAVY)
    assert loaded("import pgtop_conn.monitor.campaign").isdisjoint({"asyncpg", "textual", "rich"})
