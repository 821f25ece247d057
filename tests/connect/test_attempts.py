"""No slot left: what the command says, what it offers on the terminal, and how it waits for a slot."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from tests.conftest import VERSIONS, MakeCluster
from tests.support.command_line import run
from tests.support.data.fields import ClientFields
from tests.support.refusing_server import refusing
from tests.support.servers import Clients, Connection
from tests.support.terminals import ENTER_ALTERNATE_SCREEN, Terminal
from tests.support.waits import HANG_S, wait_until

SETTINGS = {"max_connections": "6", "superuser_reserved_connections": "1", "max_wal_senders": "4"}
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="the tests' servers belong to another user")


@dataclass
class Full:
    """A server of which every slot is taken, the superusers' too."""

    cluster: Cluster
    sessions: list[Connection]

    @property
    def uri(self) -> str:
        return self.cluster.uri()

    async def free_one(self) -> None:
        await self.sessions.pop().close()


@pytest.fixture
async def full(make_cluster: MakeCluster, clients: Clients) -> Full:
    cluster = make_cluster(settings=SETTINGS, tcp=True, hba=["local all locked scram-sha-256"])
    return await filled(cluster, clients)


async def filled(cluster: Cluster, clients: Clients) -> Full:
    for name, options in (("web", "LOGIN"), ("locked", "LOGIN PASSWORD 'opensesame'")):
        await clients.role(cluster, name, options)
    crowd = [await patiently(clients, cluster, role="web", app="web") for _ in range(5)]
    return Full(cluster, [*crowd, await patiently(clients, cluster, app="admin")])


async def patiently(clients: Clients, cluster: Cluster, **who: Unpack[ClientFields]) -> Connection:
    """A session, as soon as the slot of whoever was here before is given back."""
    found: list[Connection] = []

    async def opened() -> bool:
        try:
            found.append(await clients(cluster, **who))
        except asyncpg.TooManyConnectionsError:
            return False
        return True

    await wait_until(opened, "a slot is given back")
    return found[0]


@pytest.fixture
async def waiting() -> AsyncIterator[list[asyncio.subprocess.Process]]:
    started: list[asyncio.subprocess.Process] = []
    yield started
    for one in started:
        if one.returncode is None:
            one.kill()
        await one.wait()


async def start(waiting: list[asyncio.subprocess.Process], *arguments: str) -> asyncio.subprocess.Process:
    """The command, once it says that it waits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pgtop_conn", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    waiting.append(process)
    assert process.stderr is not None
    lines = [await asyncio.wait_for(process.stderr.readline(), HANG_S) for _ in range(2)]
    assert b"sorry, too many clients already" in lines[0]
    assert b"waiting for a slot (Ctrl-C ends it)" in lines[1]
    return process


# What is said.


def advised(err: str) -> dict[str, list[str]]:
    """The commands by why they are given."""
    _, *lines = err.strip().splitlines()
    found = dict(line.strip().split(": ", 1) for line in lines)
    return {why: shlex.split(command) for why, command in found.items()}


async def test_the_next_command_is_the_one_that_was_typed_and_works(full: Full) -> None:
    uri = f"postgresql://web:se%20cret@127.0.0.1:{full.cluster.port}/postgres?sslmode=prefer&application_name=it's"
    code, out, err = await run("snapshot", "--json", "--group", "state", uri, "--filter", "role:web")
    assert (code, out) == (2, "")
    assert "se%20cret" not in err
    assert "se cret" not in err
    commands = advised(err)
    assert list(commands) == [
        "in by the walsender door, if the role may replicate",
        "in by the host door",
        "or take the first slot that is freed",
    ]
    walsender = commands["in by the walsender door, if the role may replicate"]
    assert walsender[:3] == [sys.executable, "-m", "pgtop_conn"]
    assert walsender[-2:] == ["--door", "walsender"]
    code, out, _ = await run(*[word.replace("user=web", "user=postgres") for word in walsender[3:]])
    assert code == 0
    assert json.loads(out)["server"]["door"] == "walsender"
    assert {one["key"].get("state") for one in json.loads(out)["groups"]} >= {"idle"}


@NEEDS_ROOT
async def test_the_command_for_the_host_door_works(full: Full) -> None:
    code, _, err = await run("snapshot", "--json", full.cluster.uri(user="web"), "--filter", "role:web")
    command = advised(err)["in by the host door"]
    code, out, _ = await run(*command[3:])
    told = json.loads(out)
    assert code == 0
    assert (told["server"]["door"], told["server"]["slot"], told["slots"]["used"]) == ("host", "superuser", 6)
    assert {one["role"] for one in told["backends"]} == {"web"}


async def test_what_a_role_may_do_decides_what_is_advised(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster()
    await clients.role(cluster, "limited", "LOGIN CONNECTION LIMIT 0")
    _, _, err = await run("snapshot", cluster.uri(user="limited"))
    assert "this role is at its CONNECTION LIMIT" in err
    role = advised(err)["as another role"]
    assert "user=OTHER_ROLE" in " ".join(role) or role[-4:] == ["-U", "OTHER_ROLE", "-d", "postgres"]


# Passwords.


async def test_no_password_is_asked_for_when_there_is_no_slot(full: Full) -> None:
    async with Terminal(
        ["-U", "locked", "-d", "postgres", "-h", str(full.cluster.socket_dir), "-p", str(full.cluster.port)]
    ) as one:
        await one.shows("sorry, too many clients already", "[y/N]")
        assert "Password" not in one.text


async def test_a_password_is_asked_for_once_when_the_server_asks_before_it_refuses() -> None:
    async with refusing('too many connections for role "x"', password_first=True) as server:
        code, _, err = await run("snapshot", f"postgresql://x@127.0.0.1:{server.port}/y?sslmode=disable", "-w")
    assert (code, server.asked) == (2, 1)
    assert "CONNECTION LIMIT" in err


@pytest.mark.parametrize(("mode", "why"), [(0o644, "others may read it"), (0o600, "no line of")])
async def test_why_the_password_file_gives_none_is_told_before_the_question(
    full: Full, tmp_path: Path, mode: int, why: str
) -> None:
    await full.free_one()
    (tmp_path / ".pgpass").write_text("elsewhere:*:*:*:opensesame\n")
    (tmp_path / ".pgpass").chmod(mode)
    # Wide, so that no long path of a folder breaks a line.
    async with Terminal([full.cluster.uri(user="locked")], columns=400, environ={"HOME": str(tmp_path)}) as one:
        await one.shows(why, "Password for user locked:")
        assert b"opensesame" not in one.written


# Waiting.


async def test_of_many_who_wait_each_gets_in_and_none_is_left(
    full: Full, waiting: list[asyncio.subprocess.Process]
) -> None:
    processes = [await start(waiting, "snapshot", "--json", "--wait", full.uri) for _ in range(4)]
    # They take it in turn.
    await full.free_one()
    for process in processes:
        out, err = await asyncio.wait_for(process.communicate(), HANG_S)
        assert process.returncode == 0, err
        assert b"in after" in err
        told = json.loads(out)
        assert told["server"]["door"] is None
        assert sum(one["app"] == "pgtop-conn" for one in told["backends"]) == 1


@pytest.mark.parametrize(
    "command", [["snapshot"], ["diagnose", "--for", "0"], ["kill", "role:web", "--yes"], ["watch"]]
)
async def test_an_interrupt_ends_the_waiting(full: Full, command: list[str]) -> None:
    async with Terminal([*command, "--wait", full.uri]) as one:
        await one.shows("waiting for a slot")
        os.kill(one.process.pid, signal.SIGINT)
        assert await one.ends() == 130
        assert one.modes() == one.modes_before
        assert "Traceback" not in one.text


async def test_kill_waits_and_then_kills(full: Full, waiting: list[asyncio.subprocess.Process]) -> None:
    process = await start(waiting, "kill", "role:web", "--yes", "--wait", "--json", full.uri)
    await full.free_one()
    out, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode == 0, err
    assert {target["outcome"] for target in json.loads(out)["targets"]} == {"gone"}


async def test_a_restart_in_between_is_waited_for(full: Full, waiting: list[asyncio.subprocess.Process]) -> None:
    process = await start(waiting, "snapshot", "--json", "--wait", full.uri)
    await asyncio.to_thread(full.cluster.restart, "immediate")
    _, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode == 0, err


async def test_the_screen_waits_and_stays(full: Full) -> None:
    async with Terminal(["--wait", "--interval", "0.5", full.uri]) as one:
        await one.shows("waiting for a slot")
        await full.free_one()
        await one.shows("Headroom", "superuser slot")
        one.type("q")
        assert await one.ends() == 0


# Offers.


async def asked(one: Terminal, times: int) -> None:
    def enough() -> bool:
        return one.written.count(b"[y/N]") >= times

    await wait_until(enough, f"{times} questions are asked")


@pytest.mark.parametrize(("columns", "rows"), [(120, 36), (80, 24)])
async def test_the_walsender_door_is_offered_and_left_when_a_slot_is_free(full: Full, columns: int, rows: int) -> None:
    async with Terminal(["--interval", "0.5", full.uri], columns=columns, rows=rows) as one:
        await one.shows("sorry, too many clients already", "walsender door", "[y/N]")
        assert ENTER_ALTERNATE_SCREEN not in one.written
        one.type("y\n")
        await one.shows("6/6", "FULL", "In by the walsender door:", "walsender door", "by app", "web")
        await full.free_one()

        def moved() -> bool:
            return "walsender door" not in one.text and "Headroom" in one.text

        await wait_until(moved, "it has moved to a slot")
        one.type("q")
        assert await one.ends() == 0


@NEEDS_ROOT
@pytest.mark.parametrize(("columns", "rows"), [(120, 36), (80, 24)])
async def test_a_rescue_by_the_host_door_on_the_screen(
    full: Full, columns: int, rows: int, scrubbed_environment: Path
) -> None:
    async with Terminal(["--interval", "0.5", full.cluster.uri(user="web")], columns=columns, rows=rows) as one:
        await one.shows("walsender door", "[y/N]")
        one.type("n\n")
        await one.shows("host door", "[y/N]")
        one.type("y\n")
        await one.shows("6/6", "FULL", "In by the host door:", "host door", "by role", "web", "postgres")
        for key, shown in (("b", "Who blocks whom"), ("i", "slots used (this program)"), ("d", "Diagnosis")):
            one.type(key)
            await one.shows(shown, "Esc ")
            one.type("\x1b")
            await wait_until(lambda: "Esc " not in one.text, "it is closed")
        one.type("Y")
        await one.shows("no SQL that ends")
        one.type("f")
        await one.shows("Free how many slots?")
        one.type("2")
        await one.shows("Only 0 of 2 can be had safely: who holds locks")
        one.type("\x1b")
        await wait_until(lambda: "Free how many" not in one.text, "it is closed")
        one.type("gx")
        await one.shows("Terminate 5 sessions?", "Type the role's name to confirm: web")
        await one.answers("Type the role's name to confirm", "web\r")
        await one.shows("5 gone", "1/6")
        one.type("q")
        assert await one.ends() == 0
    journal = (scrubbed_environment / "state" / "pgtop-conn" / "journal.jsonl").read_text().splitlines()
    assert {json.loads(line)["database_role"] for line in journal} == {"OS user root"}


async def test_waiting_is_offered_last_and_no_to_all_is_the_message(full: Full) -> None:
    async with Terminal([full.uri]) as one:
        questions = ["walsender door", *(["host door"] if os.geteuid() == 0 else []), "Wait for the first slot"]
        for number, question in enumerate(questions, 1):
            await asked(one, number)
            assert question in one.text
            one.type("n\n")
        assert await one.ends() == 2
        assert "--door walsender" in one.text.replace("\n", " ")


async def test_waiting_may_be_chosen(full: Full) -> None:
    async with Terminal(["--interval", "0.5", full.uri]) as one:
        number = 0
        while "Wait for the first slot" not in one.text:
            one.type("n\n" * bool(number))
            number += 1
            await asked(one, number)
        one.type("y\n")
        await one.shows("waiting for a slot")
        await full.free_one()
        await one.shows("Headroom", "superuser slot")
        one.type("q")
        assert await one.ends() == 0


@pytest.mark.parametrize("option", ["-w", "--no-password"])
async def test_without_a_question_there_is_no_offer(full: Full, option: str) -> None:
    async with Terminal([option, full.uri]) as one:
        assert await one.ends() == 2
        assert "[y/N]" not in one.text
        assert "--door walsender" in one.text.replace("\n", " ")


async def test_other_commands_offer_nothing(full: Full) -> None:
    async with Terminal(["snapshot", full.uri]) as one:
        assert await one.ends() == 2
        assert "[y/N]" not in one.text


async def test_an_interrupt_ends_a_question(full: Full) -> None:
    async with Terminal([full.uri]) as one:
        await one.shows("[y/N]")
        one.type("\x03")
        assert await one.ends() == 130
        assert one.modes() == one.modes_before


@pytest.mark.parametrize("major", sorted(VERSIONS))
async def test_by_the_walsender_door_one_session_is_ended(
    make_cluster: MakeCluster, clients: Clients, major: int
) -> None:
    cluster = make_cluster(major=major, settings=SETTINGS)
    await filled(cluster, clients)
    code, out, err = await run("kill", "role:web", "--yes", "--json", "--door", "walsender", cluster.uri())
    assert (code, err) == (0, "")
    assert [target["outcome"] for target in json.loads(out)["targets"]] == ["gone"] * 5


async def test_that_the_login_went_without_tls_is_told(make_cluster: MakeCluster) -> None:
    """With sslmode=prefer a broken handshake is followed by a plain login, as with psql; here it is said."""
    cluster = make_cluster(tcp=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.readexactly(8)
        if hello == struct.pack("!II", 8, 80877103):
            writer.write(b"S")
            await reader.read(1)
            writer.write(b"no TLS at all")
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", cluster.port)
        far_writer.write(hello)
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        code, out, err = await run("snapshot", "--json", f"postgresql://postgres@127.0.0.1:{port}/postgres")
    assert code == 0
    assert json.loads(out)["server"]["tls"] is None
    assert "connected without TLS, since" in err
