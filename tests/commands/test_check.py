"""`check` on real servers: its one line, its performance data as other programs read it, and the exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from urllib.parse import unquote

import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import MakeCluster
from tests.support.command_line import run
from tests.support.faults.kinds import stopped
from tests.support.servers import Clients
from tests.support.waits import wait_until

#: A label in quotes or without, then the value with its unit and up to four fields.
DATUM = re.compile(r"(?:'([^'=|]+)'|([^\s'=|]+))=(-?[\d.]+|U)(%|s)?((?:;[^\s;]*){0,4})(?:\s|$)")
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


@dataclass(frozen=True, slots=True)
class Line:
    """What a monitoring system takes from a plugin's line."""

    text: str
    data: dict[str, tuple[str, str, tuple[str, ...]]]

    def value(self, label: str) -> float:
        return float(self.data[label][0])


async def check(*arguments: str, code: int) -> Line:
    """Run check; exactly one line on stdout, nothing on stderr, the state in words as in the exit code."""
    found, out, err = await run("check", *arguments)
    assert (found, err, out.count("\n"), out.count("|") <= 1) == (code, "", 1, True), out + err
    assert out.startswith(f"PGTOP_CONN {STATES[code]} - ")
    text, _, told = out.rstrip("\n").partition("|")
    data: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    at = 0
    while at < len(told):
        match = DATUM.match(told, at)
        assert match, told[at:]
        label = match[1] or match[2]
        assert label not in data
        data[label] = (match[3], match[4] or "", tuple(match[5].split(";")[1:]))
        at = match.end()
    return Line(text, data)


@pytest.fixture
def small(make_cluster: MakeCluster) -> Cluster:
    """Ten slots, three of them reserved: seven are for ordinary roles."""
    return make_cluster(settings={"max_connections": "10", "max_wal_senders": "2"})


async def test_ok_with_every_number(every_cluster: Cluster, clients: Clients) -> None:
    admin = await clients(every_cluster)
    role = await clients.role(every_cluster, "reporting", "LOGIN CONNECTION LIMIT 5")
    await clients.role(every_cluster, "locked_out", "LOGIN CONNECTION LIMIT 0")
    await clients.many(2, every_cluster, role=role)
    holder = await clients(every_cluster, role=role)
    await holder.execute("BEGIN")
    found = await check("--filter", "role:reporting", every_cluster.uri(), code=0)
    maximum = int(await admin.fetchval("SHOW max_connections"))
    reserve = int(await admin.fetchval("SHOW superuser_reserved_connections"))
    assert found.data["used"] == ("5", "", ("", "", "0", str(maximum)))
    free = maximum - reserve - 5
    assert found.data["ordinary_free"] == (str(free), "", ("", "", "0", str(maximum - reserve)))
    percent = 100 * 5 / (maximum - reserve)
    assert found.data["used_percent"][1:] == ("%", ("80", "95"))
    assert found.value("used_percent") == pytest.approx(percent, abs=0.01)
    assert found.value("idle_in_transaction") == 1
    assert found.data["oldest_idle"][1] == "s"
    assert found.value("oldest_idle") >= 0
    assert found.data["limit_percent"][:2] == ("60", "%")
    assert found.value("matching") == 3
    assert found.data["role reporting"] == ("3", "", ("", "", "0", "5"))
    assert found.data["role locked_out"] == ("0", "", ("", "", "0", "0"))
    assert "locked_out" not in found.text
    assert f"5 of {maximum} slots used, {free} free for ordinary roles, 1 idle in transaction" in found.text


async def test_warning_critical_and_full(small: Cluster, clients: Clients) -> None:
    uri = small.uri()
    await clients.role(small, "web")
    await clients.many(5, small, role="web")
    # With our own session six of seven.
    found = await check(uri, code=1)
    assert "used_percent 85.71% (warning 80)" in found.text
    await check("--warning", "90", uri, code=0)
    await check("--critical", "85", uri, code=2)
    # As written, both ends belong to the range; the printed value is what is judged.
    await check("--warning", "85.71", uri, code=0)
    await clients.many(1, small, role="web")
    # Ours is the last slot that an ordinary role could have had.
    found = await check(uri, code=2)
    assert "used_percent 100% (critical 95)" in found.text
    assert found.value("ordinary_free") == 0
    await clients.many(1, small, role="web")
    # Now an ordinary role does not get in any more, and superusers do.
    found = await check(small.uri(user="web"), code=2)
    assert found.data == {}
    assert "no slot" in found.text or "reserved" in found.text or "too many" in found.text
    found = await check(uri, code=2)
    assert (found.value("used"), found.value("ordinary_free")) == (8, 0)
    await clients.many(3, small)
    found = await check(uri, code=2)
    assert found.data == {}
    # Through the door it counts even then.
    found = await check("--door", "walsender", uri, code=2)
    assert found.value("used") == 10


async def test_thresholds_of_the_other_metrics(small: Cluster, clients: Clients) -> None:
    uri = small.uri()
    holder = await clients(small)
    await holder.execute("BEGIN")
    await check(uri, code=0)
    for options, code, reason in (
        (["--warning", "ordinary_free=6:"], 1, "ordinary_free 5 (warning 6:)"),
        (["--critical", "ordinary_free=6:"], 2, "ordinary_free 5 (critical 6:)"),
        (["--warning", "idle_in_transaction=0"], 1, "idle_in_transaction 1 (warning 0)"),
        (["--critical", "used=@2"], 2, "used 2 (critical @2)"),
        (["--warning", "matching=0", "--filter", "state:in-transaction"], 1, "matching 1 (warning 0)"),
        (["--warning", "ordinary_free=6:", "--critical", "used=1"], 2, "used 2 (critical 1); ordinary_free 5 (warning"),
    ):
        found = await check(*options, uri, code=code)
        assert reason in found.text
    # A threshold for one metric leaves the usual ones in force.
    await clients.many(5, small)
    found = await check("--warning", "oldest_idle=9999", uri, code=2)
    assert found.data["oldest_idle"][2][:2] == ("9999", "")


async def test_what_the_role_can_not_see_is_unknown_and_never_zero(cluster: Cluster, clients: Clients) -> None:
    role = await clients.role(cluster, "nobody")
    await clients(cluster)
    found = await check(cluster.uri(user=role), code=0)
    assert (found.data["idle_in_transaction"][0], found.data["oldest_idle"][0]) == ("U", "U")
    found = await check("--warning", "oldest_idle=60", cluster.uri(user=role), code=3)
    assert "oldest_idle can't be seen by this role" in found.text
    # What is known to be bad is said all the same.
    await check("--warning", "oldest_idle=60", "--critical", "used=1", cluster.uri(user=role), code=2)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="the tests' servers belong to another user")
async def test_what_the_host_door_can_not_know_is_unknown(small: Cluster, clients: Clients) -> None:
    await clients.many(10, small)
    found = await check("--door", "host", small.uri(), code=2)
    assert (found.value("used"), found.value("ordinary_free")) == (10, 0)
    assert (found.data["oldest_idle"][0], found.data["limit_percent"][0]) == ("U", "U")


HOSTILE = ("o'brien", "a=b", "a|b=9;1", "two words", "100%", "line\nbreak", "''", "café", "x" * 60)


async def test_hostile_names_stay_one_label_each(small: Cluster, clients: Clients) -> None:
    admin = await clients(small)
    for name in HOSTILE:
        await clients.role(small, name, "LOGIN CONNECTION LIMIT 3")
    await admin.execute("""CREATE DATABASE "d'b|=x" CONNECTION LIMIT 4""")
    # The fullest limit is named in the text.
    await clients.many(3, small, role="a|b=9;1")
    found = await check(small.uri(), code=0)
    labels = {unquote(label) for label in found.data if " " in label}
    assert labels == {f"role {name}".replace("\n", "␊") for name in HOSTILE} | {"database d'b|=x"}
    assert found.data["role a%7Cb%3D9;1"] == ("3", "", ("", "", "0", "3"))
    assert "role a¦b=9;1 3/3" in found.text


async def test_no_server_and_logins_that_fail(make_cluster: MakeCluster, clients: Clients) -> None:
    found = await check("-h", "127.0.0.1", "-p", "1", code=2)
    assert found.text.endswith("no server at 127.0.0.1:1: connection refused")
    cluster = make_cluster(hba=["local all locked scram-sha-256", "local all outside reject"])
    await clients.role(cluster, "locked", "LOGIN PASSWORD 'right'")
    await clients.role(cluster, "outside", "LOGIN")
    await clients.role(cluster, "single", "LOGIN CONNECTION LIMIT 0")
    for user, database, code in (
        ("locked", "postgres", 3),
        ("outside", "postgres", 3),
        ("nobody_here", "postgres", 3),
        ("postgres", "no_such_database", 3),
        ("single", "postgres", 2),
    ):
        found = await check(cluster.uri(user=user, database=database), code=code)
        assert found.data == {}


async def test_a_server_that_hangs_is_critical_in_time(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    assert cluster.postmaster_pid is not None
    with stopped([cluster.postmaster_pid]):
        found = await check("--timeout", "1", cluster.uri(), code=2)
    assert found.text.endswith("no answer within 1 s")


def test_a_name_that_is_looked_up_for_ever_is_critical_in_time() -> None:
    program = (
        "import socket, sys, time\n"
        "socket.getaddrinfo = lambda *arguments, **options: time.sleep(3600)\n"
        "from pgtop_conn.cli import main\n"
        "sys.exit(main(['check', '--timeout', '0.5', '-h', 'db.example', '-U', 'x', '-d', 'x']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == "PGTOP_CONN CRITICAL - no answer within 0.5 s\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--warning", "20:10"], "--warning: expected a range that ends above its start, not '20:10'"),
        (["--critical", "lots"], "--critical: expected a range"),
        (["--warning", "idle=5"], "--warning: expected one of used, used_percent"),
        (["--warning", "used=5", "--warning", "used=6"], "--warning: used is given twice"),
        (["--warning", "matching=5"], "needs --filter"),
        (["--timeout", "soon"], "--timeout: expected seconds"),
        (["--timeout", "0"], "--timeout: expected seconds"),
        (["--filter", "idel>3m"], "filter: "),
        (["--nonsense"], "unrecognized option --nonsense"),
        (["--config", "/nonexistent.toml"], "no configuration file"),
        (["a", "postgresql://u:s3cret@h/db"], "expected one CONNINFO"),
        (["-W"], "check asks for nothing"),
        (["-p", "a|b\nc"], "a port is a number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_bad_input_is_unknown_in_one_line(arguments: list[str], expected: str) -> None:
    found = await check(*arguments, code=3)
    assert expected in found.text
    assert "s3cret" not in found.text


async def test_the_settings_are_the_default_thresholds(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTOP_CONN_WARNING", "70")
    monkeypatch.setenv("PGTOP_CONN_WAIT", "yes")
    found = await check(cluster.uri(), code=0)
    assert found.data["used_percent"][2] == ("70", "95")


async def test_its_session_is_gone(cluster: Cluster, clients: Clients) -> None:
    admin = await clients(cluster)
    await check(cluster.uri(), code=0)

    async def gone() -> bool:
        text = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgtop-conn'"
        return bool(await admin.fetchval(text))

    await wait_until(gone, "the session of check is gone")
