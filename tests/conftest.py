"""What every test gets: a scrubbed environment, and real servers that start at their first use and end with the run.

cluster           the newest embedded server, shared by the whole run
every_cluster     the same for each major version present; the test's id carries it (pg13 … pg18)
make_cluster      starts a private server: make_cluster(settings={…}, hba=[…], tcp=True, major=16); ends with the test
module_clusters   the same, ending with the module
clients           await clients(cluster, role="web", app="web") opens a session; also many() and role(); all undone
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Protocol, TypeVar, Unpack

import pytest
from hypothesis import HealthCheck, settings

from pgtop_conn.demo.binaries import Binaries, find_binaries
from pgtop_conn.demo.server import Cluster
from tests.support import quiet_loop
from tests.support.data.fields import ClusterFields
from tests.support.servers import Clients, Servers, server_versions, versions_folder

SCRUBBED = ("PG", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLORFGBG", "TEXTUAL", "PGTOP_CONN_")
#: What tells the tests themselves something; workers of the run inherit it.
FOR_TESTS = ("PGTOP_CONN_TEST_POSTGRES", "PGTOP_CONN_NO_SKIPS")
#: Where everything can be had, a skipped test is a failure.
NO_SKIPS = bool(os.environ.get("PGTOP_CONN_NO_SKIPS"))
VERSIONS = server_versions(versions_folder())

# Textual reads its variables when it is imported, which is before any fixture runs.
for _name in [name for name in os.environ if name.startswith(SCRUBBED) and name not in FOR_TESTS]:
    del os.environ[_name]
quiet_loop.install()

# A shell's background job, or nohup, ignores them, and so would every program that is started and told to end.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A slow moment of a shared machine is no failure of a property.
settings.register_profile("pgtop-conn", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pgtop-conn")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _without_skips(report: Report) -> Report:
    """The report; with NO_SKIPS one that is skipped has failed, for the same reason."""
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"nothing may be skipped here; {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skips((yield))


class MakeCluster(Protocol):
    """Starts a server of its own; skips the test where this version is not here."""

    def __call__(self, *, major: int | None = None, **options: Unpack[ClusterFields]) -> Cluster: ...


@pytest.fixture(autouse=True)
def scrubbed_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting of the machine reaches a test; HOME and the XDG folders are new and empty. Returns HOME."""
    for name in [name for name in os.environ if name.startswith(SCRUBBED)]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    return home


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """All servers of the run; ends them, and fails when one of them is left."""
    servers = Servers(VERSIONS)
    left: list[str] = []
    try:
        yield servers
    finally:
        left = servers.end()
    assert not left


@pytest.fixture(scope="session")
def newest_binaries() -> Binaries:
    """The server that the demo would take."""
    return find_binaries()


@pytest.fixture(scope="session")
def cluster(servers: Servers, newest_binaries: Binaries) -> Cluster:
    servers.versions.setdefault(newest_binaries.major, newest_binaries)
    return servers.shared(newest_binaries.major)


@pytest.fixture(scope="session", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def every_cluster(servers: Servers, request: pytest.FixtureRequest) -> Cluster:
    return servers.shared(request.param)


def _maker(servers: Servers, newest_binaries: Binaries, made: list[Cluster]) -> MakeCluster:
    def make(*, major: int | None = None, **options: Unpack[ClusterFields]) -> Cluster:
        if major is not None and major not in servers.versions:
            pytest.skip(f"no PostgreSQL {major} here")
        made.append(servers.make(newest_binaries if major is None else servers.versions[major], **options))
        return made[-1]

    return make


@pytest.fixture
def make_cluster(servers: Servers, newest_binaries: Binaries) -> Iterator[MakeCluster]:
    made: list[Cluster] = []
    yield _maker(servers, newest_binaries, made)
    for one in made:
        one.destroy()


@pytest.fixture(scope="module")
def module_clusters(servers: Servers, newest_binaries: Binaries) -> Iterator[MakeCluster]:
    made: list[Cluster] = []
    yield _maker(servers, newest_binaries, made)
    for one in made:
        one.destroy()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    opened = Clients()
    yield opened
    await opened.close()
