"""A real PgBouncer in front of a server; as the server's own user when we are root, which it refuses."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pgtop_conn.demo.server import Cluster
from tests.support.waits import wait_until

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


def pooler_program() -> str | None:
    """Where PgBouncer is; Debian keeps it out of a user's PATH."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


def needed_program() -> str:
    """pooler_program(), and the test is skipped where there is none."""
    program = pooler_program()
    if program is None:
        pytest.skip("no pgbouncer here")
    return program


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def configure(folder: Path, cluster: Cluster, own_port: int, user: str, **settings: object) -> None:
    """Write the files of a pooler in transaction mode that lets `user` in."""
    text = CONFIGURATION.format(socket_dir=cluster.socket_dir, port=cluster.port, own_port=own_port, folder=folder)
    write(folder, cluster, text + "".join(f"{name} = {value}\n" for name, value in settings.items()), user)


def write(folder: Path, cluster: Cluster, text: str, *users: str) -> None:
    """Its configuration and the users it lets in; the folder, and all in it, belongs to whom it runs as."""
    (folder / "ini").write_text(text, encoding="utf-8")
    quoted = (user.replace('"', '""') for user in users)
    (folder / "users").write_text("".join(f'"{user}" ""\n' for user in quoted), encoding="utf-8")
    owner = cluster.data_dir.stat()
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


def start(program: str, folder: Path) -> subprocess.Popen[bytes]:
    """Run it with the files of write()."""
    owner = folder.stat()
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    return subprocess.Popen([program, "-q", str(folder / "ini")], stderr=subprocess.DEVNULL, cwd=folder, **identity)


def end(process: subprocess.Popen[bytes]) -> None:
    """End it at once, clients or not."""
    process.send_signal(signal.SIGTERM)
    process.wait(10)


async def listens(port: int) -> bool:
    """Whether somebody listens on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def running(program: str, cluster: Cluster, user: str, **settings: object) -> AsyncIterator[int]:
    """A pooler in front of this server that lets `user` in; gives its port as soon as it listens."""
    folder, port = cluster.folder / "bouncer", free_port()
    folder.mkdir()
    configure(folder, cluster, port, user, **settings)
    process = start(program, folder)
    try:
        await wait_until(lambda: listens(port), "PgBouncer listens")
        yield port
    finally:
        await asyncio.to_thread(end, process)
        shutil.rmtree(folder)
