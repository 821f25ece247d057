"""A hot standby lets logins in by the same rule, and its slot synchronisation takes a slot of the primary (17+)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgtop_conn.demo.server import Cluster
from tests.matrix.conftest import OpenMonitors
from tests.support.matrix.judge import Tally
from tests.support.matrix.slot_fillers import Filling
from tests.support.matrix.stage import APP, LIMITED_IN_SMALL, MONITORS, PHYSICAL, SUPERUSER, Layout, Stage, count_logins
from tests.support.matrix.standby import SLOT_SYNC_SINCE, copy_primary
from tests.support.servers import Servers

LAYOUT = Layout(14, superuser_reserved=2, reserved=2, role_limit=3, database_limit=4)


@contextmanager
def standby_of(stage: Stage, servers: Servers) -> Iterator[Stage]:
    """A streaming standby made of a copy of the stopped primary; both run."""
    cluster = Cluster(servers.versions[stage.major])
    try:
        with stage.superuser() as admin:
            admin.ask("SELECT pg_create_physical_replication_slot('standby')")
        stage.cluster.stop()
        copy_primary(stage.cluster, cluster)
        stage.cluster.start()
        cluster.start()
        yield Stage(cluster, stage.layout)
    finally:
        cluster.destroy()


async def test_a_standby_and_its_primary(stage: Stage, servers: Servers, monitors: OpenMonitors, tally: Tally) -> None:
    stage.arrange(LAYOUT)
    with standby_of(stage, servers) as standby:
        seen = await monitors(standby.cluster)
        on_primary = Filling(stage, await monitors(stage.cluster), tally, seed=8)
        on_standby = Filling(standby, seen, tally, seed=9)
        await stage.wait_for("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'", "it streams")
        synchronised = stage.major >= SLOT_SYNC_SINCE
        if synchronised:
            worker = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE '%slotsync%'"
            await stage.wait_for(worker, "the slots are synchronised")
        taken = LAYOUT.max_connections - count_logins(stage.cluster, SUPERUSER)
        assert taken == len(MONITORS) + synchronised
        for who in (APP, LIMITED_IN_SMALL, PHYSICAL):
            assert on_primary.seat(who)
            await on_primary.check(f"primary with {who}")
        await on_standby.to_the_edge()
        for session in seen.values():
            assert (await session.poll()).server.in_recovery
        on_primary.leave()
        on_standby.leave()
