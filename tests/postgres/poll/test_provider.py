"""A managed service is recognised on real servers by what it leaves there, never by a name that anybody may choose."""

from __future__ import annotations

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.labels.providers import KNOWN_SETTINGS
from pgtop_conn.postgres.poll import provider as recognising
from tests.conftest import VERSIONS, MakeCluster
from tests.postgres.conftest import OpenSession
from tests.support.servers import Clients


async def provider(
    sessions: OpenSession, cluster: Cluster, user: str = "postgres", database: str = "postgres"
) -> str | None:
    session = await sessions(cluster, user=user, database=database)
    return (await session.poll()).server.provider


@pytest.fixture(scope="module", params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def aurora(module_clusters: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    return module_clusters(major=request.param, settings={"rds.extensions": "'plpgsql'"})


async def test_settings_tell_rds_and_a_function_tells_aurora(
    aurora: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    await clients.role(aurora, "watcher")
    assert await provider(sessions, aurora) == "AWS RDS"
    # Whoever may see the setting or not: it is asked for by its name.
    assert await provider(sessions, aurora, "watcher") == "AWS RDS"
    admin = await clients(aurora)
    await admin.execute("CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS $$SELECT 'x'::text$$")
    assert await provider(sessions, aurora) == "AWS Aurora"
    await admin.execute("DROP FUNCTION aurora_version()")


async def test_a_plain_server_is_nobodys(every_cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    assert await provider(sessions, every_cluster) is None
    for name in ("ibm", "authenticator", "anon", "replication", "admin", "rds_superuser"):
        await clients.role(every_cluster, name)
    admin = await clients(every_cluster)
    await admin.execute("CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS $$SELECT 'x'::text$$")
    try:
        assert await provider(sessions, every_cluster) is None
    finally:
        await admin.execute("DROP FUNCTION aurora_version()")


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("supabase_admin", "authenticator"), "Supabase"),
        (("ibm", "ibm-cloud-base-user", "ibm-replication"), "IBM Cloud"),
        (("cloud_admin", "neon_superuser"), "Neon"),
        (("avnadmin",), "Aiven"),
    ],
)
async def test_roles_tell_where_no_setting_does(
    cluster: Cluster, clients: Clients, sessions: OpenSession, roles: tuple[str, ...], expected: str
) -> None:
    for name in roles:
        await clients.role(cluster, name)
    await clients.role(cluster, "watcher")
    assert await provider(sessions, cluster, "watcher") == expected


async def test_a_schema_tells_heroku(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    admin = await clients(cluster)
    await admin.execute("CREATE SCHEMA heroku_ext")
    try:
        assert await provider(sessions, cluster) == "Heroku"
    finally:
        await admin.execute("DROP SCHEMA heroku_ext")


async def test_a_setting_that_only_superusers_may_see_is_no_trouble(
    cluster: Cluster, clients: Clients, sessions: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognising, "KNOWN_SETTINGS", (*KNOWN_SETTINGS, "data_directory"))
    await clients.role(cluster, "avnadmin")
    assert await provider(sessions, cluster, "avnadmin") == "Aiven"


async def test_a_setting_of_our_own_role_counts(cluster: Cluster, clients: Clients, sessions: OpenSession) -> None:
    """Whoever sets one for our own role wants us to see it; it costs nobody a guard."""
    await clients.role(cluster, "watcher")
    admin = await clients(cluster)
    await admin.execute("ALTER ROLE watcher SET supautils.reserved_roles = 'x'")
    assert await provider(sessions, cluster, "watcher") == "Supabase"
    assert await provider(sessions, cluster) is None
