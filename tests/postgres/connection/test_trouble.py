"""What goes wrong at a login is one line that says what to look at."""

from __future__ import annotations

import socket
from pathlib import Path

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PasswordNeeded
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.support.servers import Clients


async def trouble(conninfo: str) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        await Session.open(resolve(conninfo, environ={}))
    assert str(caught.value).isprintable()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_no_server(free_port: int, tmp_path: Path) -> None:
    error = await trouble(f"postgresql://u:hunter2@127.0.0.1:{free_port}/d")
    assert str(error) == f"no server at 127.0.0.1:{free_port}: connection refused"
    assert str(await trouble(f"host=localhost port={free_port} user=u")).startswith(
        f"no server at localhost:{free_port}"
    )
    error = await trouble(f"host={tmp_path} user=u")
    assert str(error) == f"no server at socket {tmp_path}/.s.PGSQL.5432: no such socket"
    error = await trouble(f"host=127.0.0.1,{tmp_path} port={free_port} user=u")
    assert "connection refused; no server at socket" in str(error)
    assert str(await trouble(f"port={free_port} user=u")).startswith(
        f"no server: no socket for port {free_port} in /run"
    )


async def test_unknown_host() -> None:
    assert 'host "no-such-host.invalid" not found' in str(await trouble("host=no-such-host.invalid user=u"))


async def test_a_host_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        info = f"host=127.0.0.1 port={port} user=u connect_timeout=2"
        assert str(await trouble(info)) == f"no answer from 127.0.0.1:{port} within 2 s"


async def test_unknown_database_and_role(cluster: Cluster) -> None:
    error = await trouble(cluster.uri(database="no\x1b[31m"))
    assert (str(error), error.sqlstate) == ('database "no␛[31m" does not exist', "3D000")
    error = await trouble(cluster.uri(user="nobody_here"))
    assert (str(error), error.sqlstate) == ('role "nobody_here" does not exist', "28000")


async def test_not_permitted(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(hba=["local all locked reject"])
    await clients.role(cluster, "locked")
    await clients.role(cluster, "group", "NOLOGIN")
    assert "pg_hba.conf rejects connection" in str(await trouble(cluster.uri(user="locked")))
    assert 'role "group" is not permitted to log in' in str(await trouble(cluster.uri(user="group")))


async def test_a_password_file_that_is_ignored_is_named(make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(hba=["local all guarded scram-sha-256"])
    admin = await asyncpg.connect(cluster.uri())
    await admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'hunter2'")
    await admin.close()
    passfile = tmp_path / "passes"
    passfile.write_text("*:*:*:*:hunter2\n")
    uri = f"{cluster.uri(user='guarded')}?passfile={passfile}"
    passfile.chmod(0o644)
    error = await trouble(uri)
    assert isinstance(error, PasswordNeeded)
    assert "others may read it" in str(error)
    passfile.chmod(0o600)
    await (await Session.open(resolve(uri, environ={}))).close()


async def test_target_session_attrs(cluster: Cluster) -> None:
    error = await trouble(f"{cluster.uri()}?target_session_attrs=standby")
    assert "is a primary, and target_session_attrs=standby" in str(error)
    for wanted in ("primary", "read-write", "prefer-standby"):
        await (await Session.open(resolve(f"{cluster.uri()}?target_session_attrs={wanted}", environ={}))).close()


async def test_the_environment_has_no_say(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGUSER", "PGDATABASE", "PGHOST", "PGPORT", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGPASSFILE"):
        monkeypatch.setenv(name, "nonsense")
    monkeypatch.setenv("PGSERVICE", "nonsense")
    await (await Session.open(resolve(cluster.uri(), environ={}))).close()


async def test_a_server_without_ssl(make_cluster: MakeCluster) -> None:
    uri = make_cluster(tcp=True).uri(tcp=True)
    assert "has no SSL, and sslmode=require demands it" in str(await trouble(f"{uri}?sslmode=require"))
    for sslmode in ("disable", "allow", "prefer"):
        await (await Session.open(resolve(f"{uri}?sslmode={sslmode}", environ={}))).close()
