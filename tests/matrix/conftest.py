"""The accounting matrix: a server of each version present, filled slot by slot and asked after each who may still come.

stage       a server of its own for the matrix, one for each major version
monitors    `await monitors(stage.cluster)` opens the program's sessions at every level of privilege
tally       what was checked on this version; the summary shows it at the end of the run
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import VERSIONS
from tests.support.matrix.judge import Tally
from tests.support.matrix.stage import HBA, MONITORS, SETTINGS, Stage
from tests.support.servers import Servers

Monitors = dict[str, Session]
OpenMonitors = Callable[[Cluster], Awaitable[Monitors]]
TALLIES: pytest.StashKey[dict[int, Tally]] = pytest.StashKey()


@pytest.fixture(scope="session", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def stage(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Stage]:
    cluster = servers.make(servers.versions[request.param], settings=SETTINGS, hba=HBA, tcp=True)
    yield Stage(cluster).populate()
    cluster.destroy()


@pytest.fixture
def tally(stage: Stage, pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash.setdefault(TALLIES, {}).setdefault(stage.major, Tally())


@pytest.fixture
async def monitors() -> AsyncIterator[OpenMonitors]:
    opened: list[Session] = []

    async def open_all(cluster: Cluster) -> Monitors:
        found: Monitors = {}
        for role in MONITORS:
            found[role] = await Session.open(resolve(cluster.uri(user=role), environ={}))
            opened.append(found[role])
        return found

    yield open_all
    for session in opened:
        await session.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for each version that was driven to its edge."""
    tallies = config.stash.get(TALLIES, {})
    if tallies:
        terminalreporter.section("accounting matrix")
    for major, tally in sorted(tallies.items()):
        terminalreporter.write_line(
            f"PostgreSQL {major}: {tally.fills} fills tried, {tally.checked} predictions checked, "
            f"{len(tally.wrong)} wrong"
        )
