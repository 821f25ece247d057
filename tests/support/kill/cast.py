"""A population of every kind of session the guards know of, opened again as soon as a test has ended one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from pgtop_conn.demo.server import Cluster
from tests.support.servers import Connection
from tests.support.waits import wait_until

#: Name to what CREATE ROLE is told; created in this order.
ROLES: Mapping[str, str] = {
    "rds_replication": "NOLOGIN",
    "web": "LOGIN",
    "dim": "LOGIN",
    "other": "LOGIN",
    "boss": "LOGIN SUPERUSER",
    "copier": "LOGIN REPLICATION",
    "rds_app": "LOGIN IN ROLE rds_replication",
    "rdsrepladmin": "LOGIN",
    "rdsadmin": "LOGIN",
    "vault_keeper": "LOGIN",
    "mirror_one": "LOGIN",
    "between": "NOLOGIN NOINHERIT IN ROLE web",
    "m_super": "LOGIN SUPERUSER",
    "m_signal": "LOGIN IN ROLE pg_monitor, pg_signal_backend",
    "m_blind_signal": "LOGIN IN ROLE pg_signal_backend",
    "m_member": "LOGIN IN ROLE pg_monitor, web",
    "m_blind_member": "LOGIN IN ROLE web",
    "m_noinherit": "LOGIN IN ROLE pg_monitor, between",
    "m_blind_noinherit": "LOGIN NOINHERIT IN ROLE web",
    "m_watcher": "LOGIN IN ROLE pg_monitor",
    "m_plain": "LOGIN",
}
MONITORS = tuple(name for name in ROLES if name.startswith("m_"))

SLEEP = "SELECT pg_sleep(300)"
#: The query's text counts, and that it is active.
DDL = "CREATE TEMP TABLE made AS SELECT 1 FROM pg_sleep(300)"
WROTE = "BEGIN; CREATE TEMP TABLE note (line int)"


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of session: what it ran (`first`), and what it is still running (`runs`)."""

    role: str
    app: str
    first: str = ""
    runs: str = ""
    replication: bool = False
    #: Run after `first`, so that this is what is seen of it.
    then: str = ""
    #: Its role is dropped while it is logged in.
    ghost: bool = False


PARTS: tuple[Part, ...] = (
    Part("web", "idle"),
    Part("web", "used", first="SELECT 1"),
    Part("web", "busy", runs=SLEEP),
    Part("web", "open", first="BEGIN; SELECT 1"),
    Part("web", "wrote", first=WROTE),
    Part("web", "ddl", runs=DDL),
    Part("web", "pg_dump", first="BEGIN"),
    Part("web", "backup", first="SELECT {backup}('cast', true{exclusive})"),
    Part("web", "listens", first="LISTEN jobs"),
    Part("web", "locked", first="SELECT pg_advisory_lock(pg_backend_pid())", then="SELECT 1"),
    Part("web", "cursor", first="DECLARE kept CURSOR WITH HOLD FOR SELECT 1"),
    Part("web", "table", first="CREATE TEMP TABLE kept (line int)"),
    Part("dim", "unseen"),
    Part("web", "pgtop-conn"),
    Part("other", "foreign"),
    Part("other", "foreign busy", runs=SLEEP),
    Part("boss", "root"),
    Part("boss", "root busy", runs=SLEEP),
    Part("copier", "slot sync"),
    Part("copier", "standby", replication=True),
    Part("rds_app", "rds"),
    Part("rdsrepladmin", "rds repl"),
    Part("rdsadmin", "provider", runs=SLEEP),
    Part("vault_keeper", "vault"),
    Part("mirror_one", "mirror"),
    Part("ghost", "ghost", ghost=True),
)


@dataclass(slots=True)
class Actor:
    """A session of the cast; `work` is the query it is running."""

    part: Part
    connection: Connection
    pid: int
    work: asyncio.Task[str] | None = None


class Cast:
    """Opened on one server by its superuser, whose own connection `admin` every test may ask through."""

    def __init__(self, cluster: Cluster, admin: Connection) -> None:
        self.cluster = cluster
        self.admin = admin
        self.actors: list[Actor] = []
        self._ghosts = 0

    @classmethod
    async def on(cls, cluster: Cluster) -> Cast:
        """A cast without sessions yet; its roles exist."""
        cast = cls(cluster, await _connect(cluster, "postgres", "admin"))
        await cast.admin.execute("".join(f"CREATE ROLE {name} {options};" for name, options in ROLES.items()))
        await cast.admin.execute("ALTER ROLE dim SET track_activities = off")
        await cast.admin.execute(f"GRANT EXECUTE ON FUNCTION {cast.names['signature']} TO web")
        return cast

    @property
    def names(self) -> Mapping[str, str]:
        """How this server calls what a part runs."""
        if self.cluster.major >= 15:
            return {"backup": "pg_backup_start", "exclusive": "", "signature": "pg_backup_start(text, boolean)"}
        signature = "pg_start_backup(text, boolean, boolean)"
        return {"backup": "pg_start_backup", "exclusive": ", false", "signature": signature}

    @property
    def pids(self) -> set[int]:
        return {actor.pid for actor in self.actors}

    async def fill(self, parts: Iterable[Part]) -> None:
        """Open one session for each of these parts that no living session plays as it should."""
        await self.reap()
        missing = list(parts)
        for actor in self.actors:
            if actor.part in missing:
                missing.remove(actor.part)
        self.actors += [await self._play(part) for part in missing]
        await self._settled()

    async def reap(self) -> set[int]:
        """Forget the sessions that have ended, and close those whose query has; returns the pids of the ended."""
        alive = await self.alive()
        ended = [actor for actor in self.actors if actor.pid not in alive]
        over = [actor for actor in self.actors if actor.work is not None and actor.work.done() and actor not in ended]
        for actor in (*ended, *over):
            await _close(actor)
            self.actors.remove(actor)
        return {actor.pid for actor in ended}

    async def alive(self) -> set[int]:
        """The pids of the cast that the server still has."""
        rows = await self.admin.fetch("SELECT pid FROM pg_stat_activity WHERE pid = ANY($1)", list(self.pids))
        return {row["pid"] for row in rows}

    async def clear(self) -> None:
        """End every session of the cast."""
        pids = list(self.pids)
        for actor in self.actors:
            await _close(actor)
        self.actors.clear()
        ending = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid = ANY($1)"

        async def gone() -> bool:
            return not await self.admin.fetchval(ending, pids)

        await wait_until(gone, "the cast is gone", every_s=0.01)

    async def close(self) -> None:
        """End every session, and drop the roles."""
        await self.clear()
        await self.admin.execute(f"REVOKE EXECUTE ON FUNCTION {self.names['signature']} FROM web")
        await self.admin.execute("".join(f"DROP ROLE {name};" for name in reversed(tuple(ROLES))))
        await self.admin.close()

    async def _play(self, part: Part) -> Actor:
        role = part.role
        if part.ghost:
            self._ghosts += 1
            role = f"ghost_{self._ghosts}"
            await self.admin.execute(f"CREATE ROLE {role} LOGIN")
        connection = await _connect(self.cluster, role, part.app, replication=part.replication)
        actor = Actor(part, connection, connection.get_server_pid())
        if part.ghost:
            await self.admin.execute(f"DROP ROLE {role}")
        if part.first:
            await connection.execute(part.first.format(**self.names))
        if part.then:
            await connection.execute(part.then)
        if part.runs:
            actor.work = asyncio.create_task(connection.execute(part.runs))
        return actor

    async def _settled(self) -> None:
        """Wait until each of the cast is in the state of its part."""
        busy = [actor.pid for actor in self.actors if actor.part.runs]
        # What a walsender is doing before it is asked anything is not the same in all versions.
        resting = [actor for actor in self.actors if not actor.part.runs and not actor.part.replication]
        still = [actor.pid for actor in resting if actor.part.role != "dim"]
        unsettled = """SELECT count(*) FROM pg_stat_activity WHERE
            pid = ANY($1) AND wait_event IS DISTINCT FROM 'PgSleep' OR pid = ANY($2) AND state NOT LIKE 'idle%'"""

        async def ready() -> bool:
            return bool(await self.admin.fetchval(unsettled, busy, still) == 0)

        await wait_until(ready, "the cast is ready", every_s=0.01)


async def _connect(cluster: Cluster, role: str, app: str, *, replication: bool = False) -> Connection:
    settings = {"application_name": app} | ({"replication": "database"} if replication else {})
    connection: Connection = await asyncpg.connect(
        cluster.uri(user=role), server_settings=settings, statement_cache_size=0, timeout=10
    )
    return connection


async def _close(actor: Actor) -> None:
    actor.connection.terminate()
    if actor.work is not None:
        await asyncio.gather(actor.work, return_exceptions=True)
