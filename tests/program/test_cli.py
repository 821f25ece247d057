"""The command line as a user types it, on a real server: exit codes, one clear line, and the numbers psql shows."""

from __future__ import annotations

import csv
import io

import pytest

from pgtop_conn import __version__
from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.command_line import run, snapshot
from tests.support.servers import Clients
from tests.support.waits import wait_until


async def test_version_and_help_need_no_server() -> None:
    assert await run("--version") == (0, f"pgtop-conn {__version__}\n", "")
    for arguments in (["--help"], ["-?"], ["snapshot", "--help"], ["demo", "--help"]):
        code, out, err = await run(*arguments)
        assert (code, err) == (0, "")
        assert "usage: pgtop-conn" in out


async def test_snapshot_says_what_psql_says(every_cluster: Cluster, clients: Clients) -> None:
    role = await clients.role(every_cluster, "reporting", "LOGIN CONNECTION LIMIT 7")
    admin = await clients(every_cluster, app="check")
    await clients.many(3, every_cluster, role=role, app="reports")
    holder = await clients(every_cluster, role=role, app="stuck")
    await holder.execute("BEGIN; SELECT 1")
    found = await snapshot(every_cluster, "--group", "role")

    rows = await admin.fetch(
        "SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' GROUP BY 1"
    )
    states = {row[0]: row[1] for row in rows}
    # Our own session is active in the snapshot and gone now; `check` is active now and was idle then.
    assert found["states"] == {**states, "idle": states.get("idle", 0) + 1}
    slots = found["slots"]
    assert isinstance(slots, dict)
    assert slots["used"] == sum(states.values()) + 1
    maximum = int(await admin.fetchval("SHOW max_connections"))
    reserve = int(await admin.fetchval("SHOW superuser_reserved_connections"))
    assert (slots["max"], slots["superuser_reserved"]) == (maximum, reserve)
    assert slots["ordinary_free"] == maximum - reserve - slots["used"]
    assert found["limits"] == [{"kind": "role", "name": "reporting", "limit": 7, "used": 4}]
    groups = found["groups"]
    assert isinstance(groups, list)
    counts = {group["key"]["role"]: group["count"] for group in groups}
    assert counts == {"reporting": 4, "postgres": 2}


async def test_filter_and_csv(cluster: Cluster, clients: Clients) -> None:
    await clients.many(2, cluster, app="web")
    await clients(cluster, app="other")
    found = await snapshot(cluster, "--filter", "app:web state:idle")
    assert isinstance(found["backends"], list)
    assert [backend["app"] for backend in found["backends"]] == ["web", "web"]
    code, out, _ = await run("snapshot", "--csv", "--filter", "app:web", cluster.uri())
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, [row["app"] for row in rows]) == (0, ["web", "web"])


async def test_the_table_is_plain_text_without_a_terminal(cluster: Cluster, clients: Clients) -> None:
    await clients(cluster, app="[bold]web[/bold]")
    code, out, err = await run("snapshot", cluster.uri(), environ={"COLUMNS": "120"})
    assert (code, err) == (0, "")
    assert "[bold]web[/bold]" in out
    assert "Headroom" in out
    assert "\x1b" not in out


async def test_one_session_and_none_left(cluster: Cluster, clients: Clients) -> None:
    admin = await clients(cluster, app="check")
    found = await snapshot(cluster)
    assert isinstance(found["backends"], list)
    own = [backend for backend in found["backends"] if backend["app"] == "pgtop-conn"]
    assert len(own) == 1

    async def gone() -> bool:
        text = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"
        return bool(await admin.fetchval(text))

    await wait_until(gone, "the snapshot's session is gone")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["snapshot", "--filter", "idel>3m"], "did you mean idle"),
        (["snapshot", "--filter", "state:idle age>soon"], "filter: "),
        (["diagnos", "postgresql://u:s3cret@h/db"], "did you mean diagnose?"),
        (["snapshot", "a", "postgresql://u:s3cret@h/db"], "expected one CONNINFO"),
        (["snapshot", "--interval", "0.1"], "--interval: expected seconds between 0.25 and 60"),
        (["snapshot", "--group", "table"], "--group: expected one of app, role"),
        (["snapshot", "--nonsense"], "unrecognized option --nonsense"),
        (["snapshot", "--json", "--csv"], "not allowed with"),
        (["snapshot", "colour=red"], "colour"),
        (["snapshot", "-p", "many"], "a port is a number from 1 to 65535"),
        (["snapshot", "-w", "-W"], "expected -w or -W"),
        (["snapshot", "-h", "127.0.0.1", "-p", "1"], "no server at 127.0.0.1:1"),
        (["snapshot", "-h", "/nonexistent"], "no server at socket /nonexistent"),
        (["snapshot", "--config", "/nonexistent.toml"], "no configuration file"),
        (["snapshot", "--log-file", "/nonexistent/x.log"], "--log-file /nonexistent/x.log"),
        (["replay"], "are required: FILE"),
        ([], "needs a terminal"),
        (["demo"], "needs a terminal"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_bad_input_is_one_clear_line_and_exit_code_2(arguments: list[str], expected: str) -> None:
    code, out, err = await run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("pgtop-conn: ")
    assert expected in err
    assert "Traceback" not in err
    # A filter is repeated with carets under the word.
    assert len(err.splitlines()) == (3 if expected in ("did you mean idle", "filter: ") else 1)


async def test_login_errors_name_the_cause(cluster: Cluster) -> None:
    for options, expected in (
        (["-U", "nobody_here"], 'role "nobody_here" does not exist'),
        (["-U", "postgres", "-d", "no_such_database"], 'database "no_such_database" does not exist'),
    ):
        code, out, err = await run("snapshot", "-h", str(cluster.socket_dir), "-p", str(cluster.port), *options)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert expected in err
        assert "s3cret" not in err


async def test_a_wrong_password_is_one_line_and_never_shown(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(hba=["local all locked scram-sha-256", "local all all trust"])
    await clients.role(cluster, "locked", "LOGIN PASSWORD 'right'")
    where = ["snapshot", "-w", "-h", str(cluster.socket_dir), "-p", str(cluster.port), "-U", "locked", "-d", "postgres"]
    code, _, err = await run(*where, environ={"PGPASSWORD": "s3cret-wrong"})
    assert (code, len(err.splitlines())) == (2, 1)
    assert "s3cret-wrong" not in err
    code, _, err = await run(*where)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "password" in err
    code, _, _ = await run(*where, environ={"PGPASSWORD": "right"})
    assert code == 0


async def test_ascii_and_a_terminal_without_unicode_get_plain_characters(cluster: Cluster) -> None:
    for options, environ in ((["--ascii"], {}), ([], {"PYTHONIOENCODING": "iso-8859-1"})):
        code, out, err = await run("snapshot", *options, cluster.uri(), environ=environ)
        assert (code, err) == (0, "")
        assert out.isascii()
        assert "Headroom" in out
