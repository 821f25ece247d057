"""Sessions of the program on real servers, and a second pair of eyes to check them with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, Unpack

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import VERSIONS, MakeCluster
from tests.support.data.fields import AddressFields
from tests.support.postgres.poll_clock import PollClock
from tests.support.servers import Connection
from tests.support.waits import HANG_S

Look = Callable[[Cluster], Awaitable[Connection]]


class OpenSession(Protocol):
    """Opens a session of the program on a server."""

    async def __call__(self, cluster: Cluster, **who: Unpack[AddressFields]) -> Session: ...


@pytest.fixture(params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def small(make_cluster: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    """A server of each version for this test alone, with the SETTINGS of the test's module."""
    return make_cluster(major=request.param, settings=request.module.SETTINGS)


@pytest.fixture(scope="module", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def module_cluster(module_clusters: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    """A server of each version for this module alone."""
    return module_clusters(major=request.param)


@pytest.fixture
async def sessions() -> AsyncIterator[OpenSession]:
    """`await sessions(cluster, user=…, database=…)` opens a Session that is closed at the end."""
    opened: list[Session] = []

    async def open_session(cluster: Cluster, **who: Unpack[AddressFields]) -> Session:
        opened.append(await Session.open(resolve(cluster.uri(**who), environ={})))
        return opened[-1]

    yield open_session
    for session in opened:
        await session.close()


@pytest.fixture
def poll_clock(monkeypatch: pytest.MonkeyPatch) -> PollClock:
    """The clock of every poll in the test."""
    return PollClock(monkeypatch)


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[Connection]:
    """A superuser's connection to the shared server, named like an administrator's."""
    connection = await asyncpg.connect(cluster.uri(), server_settings={"application_name": "admin"}, timeout=HANG_S)
    yield connection
    await connection.close()


async def own_pids(cluster: Cluster) -> list[int]:
    """The pids of every pgtop-conn session the server has, seen from outside."""
    connection = await asyncpg.connect(cluster.uri(), timeout=HANG_S)
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid", OWN_APPLICATION_NAME
        )
        return [row["pid"] for row in rows]
    finally:
        await connection.close()
