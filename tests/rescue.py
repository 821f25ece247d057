"""`python -m tests.rescue [MAJOR]`: a server with no slot left for anyone, rescued by each way in; prints a transcript.

Exits with 1 when a way did not free what it was asked to, or when the standby lost its connection.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Connection, Servers, server_versions, versions_folder

SETTINGS = {"max_connections": "12", "superuser_reserved_connections": "3", "max_wal_senders": "4"}
COMMAND = f"{sys.executable} -m pgtop_conn"


class Rescue:
    """One server; `failed` counts what did not go as it should."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.cluster = cluster
        self.failed = 0
        self._environ = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home), "COLUMNS": "120"}
        self._crowd: list[Connection] = []

    async def fill(self) -> None:
        """Take every slot: the ordinary ones as an application, those of superusers as administrators."""
        say(f"\n# PostgreSQL {self.cluster.major}: an application and administrators")
        say("# take every slot, a standby streams")
        for role in ("web", "postgres"):
            try:
                while True:
                    uri = self.cluster.uri(user=role)
                    name = {"application_name": "shop" if role == "web" else "admin"}
                    self._crowd.append(await asyncpg.connect(uri, server_settings=name))
            except asyncpg.TooManyConnectionsError as error:
                say(f"{role}: {error}")

    async def command(self, *arguments: str, expected: int = 0) -> None:
        """Run it as typed, and print what it says."""
        say(f"\n$ pgtop-conn {shlex.join(arguments)}")
        done = await asyncio.to_thread(self._run, arguments)
        say((done.stdout + done.stderr).replace(COMMAND, "pgtop-conn").rstrip())
        self.check(done.returncode == expected, f"exit code {done.returncode}")

    def _run(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND.split(" "), *arguments]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=self._environ
        )

    async def login(self) -> None:
        """Whether the application gets in again."""
        try:
            connection = await asyncpg.connect(self.cluster.uri(user="web"))
        except asyncpg.TooManyConnectionsError as error:
            self.check(False, f"web is refused: {error}")
            return
        await connection.close()
        self.check(True, "web gets in again")

    def check(self, good: bool, what: str) -> None:
        say(f"# {what}{'' if good else '   <- NOT AS IT SHOULD BE'}")
        self.failed += not good

    async def leave(self) -> None:
        """The crowd goes home."""
        for one in self._crowd:
            one.terminate()
        self._crowd.clear()
        while True:
            try:
                admin = await asyncpg.connect(self.cluster.uri())
            except asyncpg.TooManyConnectionsError:
                continue
            query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            left = await admin.fetchval(query)
            await admin.close()
            if left == 1:
                return


async def rescue(cluster: Cluster, home: Path) -> int:
    """Each way in turn, on a server that is full again each time."""
    uri = cluster.uri()
    admin = await asyncpg.connect(uri)
    await admin.execute("CREATE ROLE web LOGIN")
    await admin.close()
    standby = await asyncpg.connect(uri, server_settings={"replication": "true", "application_name": "standby"})
    told = Rescue(cluster, home)
    await told.fill()
    say("\n## Refused, why, and what to type")
    await told.command("snapshot", cluster.uri(user="web"), expected=2)
    say("\n## The walsender door")
    await told.command("snapshot", "--door", "walsender", uri)
    await told.command("kill", "app:shop idle>0s", "--keep-newest", "5", "--yes", "--door", "walsender", uri)
    await told.login()
    await told.leave()
    await told.fill()
    say("\n## The host door")
    host = ("--door", "host", "-h", str(cluster.socket_dir), "-p", str(cluster.port))
    await told.command("snapshot", *host)
    await told.command("kill", "state:idle", "--yes", "--max", "20", *host, expected=2)
    await told.command("kill", "role:web state:idle", "--keep-newest", "5", "--yes", *host)
    await told.login()
    await told.command("journal", "--last", "6")
    say("\n## The standby")
    told.check(await streams(standby), "its connection from before both rescues still answers")
    standby.terminate()
    await told.leave()
    return told.failed


async def streams(standby: Connection) -> bool:
    try:
        return await standby.execute("IDENTIFY_SYSTEM") == "IDENTIFY_SYSTEM"
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """0 when every way freed what it was asked to."""
    servers = Servers(server_versions(versions_folder()))
    major = int(arguments[0]) if arguments else max(servers.versions)
    try:
        with tempfile.TemporaryDirectory() as home:
            failed = asyncio.run(rescue(servers.make(servers.versions[major], settings=SETTINGS), Path(home)))
    finally:
        left = servers.end()
    say("\n".join(["", f"{failed} things were not as they should be", *left]))
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
