"""Stage: one server with the roles and tables of the scenarios; what is played on it is recorded."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.recording.recorder import Recorder
from tests.support.drivers.application import Application, Host, Leaked
from tests.support.drivers.pgbouncer import bouncer
from tests.support.drivers.programs import command_of, options_of
from tests.support.drivers.scenario import Driver, Fill, Scenario
from tests.support.servers import PROJECT

POLL_EVERY_S = 1.0
RESERVED = 3
HBA = ("host all all 127.0.0.0/8 trust",)
ROLE = "web"

_POPULATE = """
CREATE ROLE web LOGIN;
CREATE ROLE billing LOGIN;
CREATE DATABASE shop
"""
_TABLES = """
CREATE TABLE invoices AS SELECT id, 'open' AS status, id * 100 AS total FROM generate_series(1, 40) id;
CREATE TABLE orders AS SELECT id, 'new' AS status FROM generate_series(1, 40) id;
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO PUBLIC
"""
_END_EVERYBODY = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def settings_of(fill: Fill) -> dict[str, str]:
    """Of a server that leaves so many slots to ordinary roles."""
    return {
        "max_connections": str(fill.slots + RESERVED),
        "superuser_reserved_connections": str(RESERVED),
        "max_wal_senders": "0",
        "wal_level": "minimal",
        "autovacuum": "off",
        "max_worker_processes": "2",
        "max_parallel_workers": "0",
    }


async def populate(cluster: Cluster) -> None:
    """Create the roles and the tables."""
    import asyncpg

    for database, statements in (("postgres", _POPULATE), ("shop", _TABLES)):
        admin = await asyncpg.connect(cluster.uri(database=database), timeout=20)
        for statement in statements.split(";"):
            await admin.execute(statement)
        await admin.close()


async def clear(cluster: Cluster) -> None:
    """Nobody is connected any more."""
    import asyncpg

    from tests.support.waits import wait_until

    admin = await asyncpg.connect(cluster.uri(), timeout=20)

    async def gone() -> bool:
        return not await admin.fetchval(_END_EVERYBODY)

    await wait_until(gone, "everybody is gone", every_s=0.05)
    await admin.close()


class Stage:
    """What a play uses: `start()` applications, tell them what to do, and let time `pass_()`."""

    def __init__(self, cluster: Cluster, scenario: Scenario, scratch: Path, stack: AsyncExitStack) -> None:
        self.cluster = cluster
        self.scenario = scenario
        self.fill = scenario.fill
        self._scratch = scratch
        self._stack = stack
        self._applications: list[Application] = []
        self._bouncer_port: int | None = None
        self._began = time.monotonic()

    @property
    def leaked(self) -> list[Leaked]:
        """What all applications lost."""
        return [one for application in self._applications for one in application.leaked]

    @property
    def refusals(self) -> int:
        """How often all applications were refused a connection."""
        return sum(application.refusals for application in self._applications)

    async def start(self, *, host: int = 1, **options: object) -> Application:
        """An application on host 127.0.0.N; options beside those of the driver and the behaviour."""
        return await self._started(self.scenario.driver, host, {**self.scenario.behaviour.options, **options})

    async def _started(self, driver: Driver, host: int, options: Mapping[str, object]) -> Application:
        port = await self._port(driver)
        if host > 1:
            port = (await self._stack.enter_async_context(Host(f"127.0.0.{host}", port))).port
        every = {
            "host": "127.0.0.1",
            "port": port,
            "user": ROLE,
            "database": "shop",
            "app": driver.app,
            "most": 40,
            **options_of(driver),
            **options,
        }
        log = self._scratch / f"{self.scenario.name}-{len(self._applications)}.log"
        application = await Application.start(command_of(driver), every, log, PROJECT)
        self._applications.append(application)
        self._stack.push_async_callback(application.quit)
        return application

    async def _port(self, driver: Driver) -> int:
        """Where the driver's applications connect to."""
        mode = driver.options.get("through")
        if mode is None:
            return self.cluster.port
        if self._bouncer_port is None:
            self._bouncer_port = await self._stack.enter_async_context(bouncer(self.cluster, str(mode), ROLE))
        return self._bouncer_port

    async def neighbour(self, size: int) -> Application:
        """Another service, with a warm pool of this size that it uses one by one."""
        driver = Driver("neighbour", "python", "pools", {"driver": "psycopg"})
        options = {"least": size, "most": size, "app": "reports", "user": "billing"}
        application = await self._started(driver, 1, options)
        await application.warm(size)
        return application

    async def pass_(self, seconds: float) -> None:
        """So much of the recording goes by."""
        await asyncio.sleep(seconds)

    async def every(self, seconds: float, for_s: float, step: Callable[[], Awaitable[object]]) -> None:
        """Take this step again and again at an even pace, for so long."""
        began = time.monotonic()
        until, due = began + for_s, began
        while (now := time.monotonic()) < until:
            await step()
            due = max(due + seconds, now)
            await asyncio.sleep(max(0.0, min(due, until) - time.monotonic()))


async def perform(cluster: Cluster, scenario: Scenario, kept: Path, scratch: Path) -> None:
    """Play the scenario, record it, and write beside the recording what was leaked; all of it or nothing is kept."""
    recording = scratch / "recorded" / kept.name
    await asyncio.to_thread(recording.parent.mkdir, exist_ok=True)
    await asyncio.to_thread(recording.unlink, missing_ok=True)
    session = await Session.open(resolve(cluster.uri(tcp=True), environ={}))
    recorder = Recorder.open(recording)
    times: list[float] = []
    try:
        async with AsyncExitStack() as stack:
            stage = Stage(cluster, scenario, scratch, stack)
            taping = asyncio.create_task(_taped(session, recorder, times))
            try:
                await scenario.behaviour.play(stage)
            finally:
                taping.cancel()
                await asyncio.wait({taping})
            if not taping.cancelled():
                taping.result()
            leaked = stage.leaked
    finally:
        recorder.close()
        await session.close()
        await clear(cluster)
    about = {
        "driver": scenario.driver.name,
        "behaviour": scenario.behaviour.name,
        "version": scenario.major,
        "fill": str(scenario.fill),
        "leaks": scenario.behaviour.leaks,
        "refusals": stage.refusals,
        "leaked": [[one.pid, round(one.since - times[0], 3)] for one in leaked],
    }
    kept.with_suffix(".json").write_text(json.dumps(about) + "\n")
    await asyncio.to_thread(shutil.move, recording, kept)


async def _taped(session: Session, recorder: Recorder, times: list[float]) -> None:
    due = time.monotonic()
    while True:
        snapshot = await session.poll()
        recorder.add(Moment(snapshot, ()), Totals.of(snapshot, SlotBudget.of(snapshot)))
        times.append(snapshot.taken_at)
        due = max(due + POLL_EVERY_S, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
