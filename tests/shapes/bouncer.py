"""A real PgBouncer in front of a server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from tests.waiting import wait_until

CONFIGURATION = """
[databases]
* = host={socket_dir} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
logfile = {folder}/log
"""


@asynccontextmanager
async def bouncer(cluster: Cluster, **settings: object) -> AsyncIterator[str]:
    """In transaction mode, for the role web to the database shop; gives its URI. Skips the test where there is none."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no pgbouncer here")
    folder = cluster.folder / "bouncer"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = CONFIGURATION.format(socket_dir=cluster.socket_dir, port=cluster.port, own_port=port, folder=folder)
    (folder / "ini").write_text(text + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    (folder / "users").write_text('"web" ""\n')
    owner = cluster.data_dir.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    process = _start([program, "-q", str(folder / "ini")], owner)
    uri = f"postgresql://web@127.0.0.1:{port}/shop"
    try:
        await wait_until(lambda: _answers(uri), "PgBouncer answers")
        yield uri
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 10)
        shutil.rmtree(folder)


def _start(command: list[str], owner: os.stat_result) -> subprocess.Popen[bytes]:
    """As the server's own user when we are root, which PgBouncer refuses as PostgreSQL does."""
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, **identity)


async def _answers(uri: str) -> bool:
    try:
        connection = await asyncpg.connect(uri, statement_cache_size=0, timeout=5)
    except OSError:
        return False
    await connection.close()
    return True
