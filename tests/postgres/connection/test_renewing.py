"""What was read from a file is read again at each reconnect; what was typed is kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PasswordNeeded, SourceLost
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.support.servers import Clients, Connection

GUARDED = ["local all guarded scram-sha-256"]


@pytest.fixture
def guarded(make_cluster: MakeCluster) -> Cluster:
    return make_cluster(hba=GUARDED)


def write(path: Path, text: str) -> None:
    """As those do who rotate passwords: another file takes the place of the first."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


async def with_password(admin: Connection, password: str) -> None:
    await admin.execute(f"ALTER ROLE guarded PASSWORD '{password}'")


async def ended(session: Session, admin: Connection) -> None:
    """The server ends the session, which has to log in again."""
    await admin.execute("SELECT pg_terminate_backend($1)", (await session.poll()).server.own_pid)
    while True:
        try:
            await session.poll()
        except SourceLost:
            return


@pytest.fixture
async def admin(guarded: Cluster, clients: Clients) -> Connection:
    opened = await clients(guarded)
    await opened.execute("CREATE ROLE guarded LOGIN PASSWORD 'first'")
    return opened


def info_of(guarded: Cluster, tmp_path: Path, way: str) -> tuple[ConnInfo, Path]:
    """What a password is read from in this way, and where it is written."""
    where = f"host={guarded.socket_dir}\nport={guarded.port}\nuser=guarded\ndbname=postgres\n"
    path = tmp_path / "file"
    if way == "service":
        write(path, f"[here]\n{where}password=first\n")
        return resolve("service=here", environ={"PGSERVICEFILE": str(path)}), path
    write(path, "*:*:*:*:first\n")
    words = where.replace("\n", " ")
    if way == "PGPASSFILE":
        return resolve(words, environ={"PGPASSFILE": str(path)}), path
    if way == "home":
        write(tmp_path / ".pgpass", "*:*:*:*:first\n")
        return resolve(words, environ={"HOME": str(tmp_path)}), tmp_path / ".pgpass"
    return resolve(f"{words} passfile={path}", environ={}), path


@pytest.mark.parametrize("way", ["passfile", "PGPASSFILE", "home", "service"])
async def test_a_password_that_was_changed_is_read_again(
    guarded: Cluster, admin: Connection, tmp_path: Path, way: str
) -> None:
    info, path = info_of(guarded, tmp_path, way)
    session = await Session.open(info)
    await with_password(admin, "second")
    await ended(session, admin)
    with pytest.raises(PasswordNeeded):
        await session.poll()
    write(path, path.read_text().replace("first", "second"))
    assert (await session.poll()).server.role == "guarded"
    # The file is half written, or away, at the wrong moment.
    await ended(session, admin)
    path.unlink()
    if way == "service":
        assert (await session.poll()).server.role == "guarded"
        await ended(session, admin)
        await with_password(admin, "third")
        with pytest.raises(ConnectError, match=r"since service file .* not found"):
            await session.poll()
    else:
        with pytest.raises(PasswordNeeded):
            await session.poll()
    await session.close()


async def test_a_password_that_was_typed_is_kept(guarded: Cluster, admin: Connection, tmp_path: Path) -> None:
    info, path = info_of(guarded, tmp_path, "passfile")
    write(path, "elsewhere:*:*:*:first\n")
    session = await Session.open(info.with_password("first"))
    write(path, "*:*:*:*:wrong\n")
    await ended(session, admin)
    assert (await session.poll()).server.role == "guarded"
    await session.close()


async def test_a_pipe_in_the_place_of_the_file_stops_nothing(
    guarded: Cluster, admin: Connection, tmp_path: Path
) -> None:
    info, path = info_of(guarded, tmp_path, "passfile")
    session = await Session.open(info)
    await ended(session, admin)
    path.unlink()
    await asyncio.to_thread(os.mkfifo, path, 0o600)
    with pytest.raises(PasswordNeeded, match="not a plain file"):
        await session.poll()
    await session.close()


def test_no_password_is_shown(tmp_path: Path) -> None:
    info = resolve("postgresql://u:hunter2@h/d", environ={"PGPASSWORD": "hunter3"}).with_password("hunter4")
    assert "hunter" not in f"{info!r} {info}"
    assert info.renewed().password == "hunter4"
    assert "hunter" not in repr(info.renewed())
