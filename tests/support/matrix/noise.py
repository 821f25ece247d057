"""Processes that take no slot of max_connections, each kind running for as long as a scenario needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.matrix.stage import LIMITED_IN_SMALL, Stage
from tests.support.matrix.wire import Wire

PARALLEL_WORKERS = 2

#: Vacuuming goes on all through a scenario: it rests after each page.
EAGER_AUTOVACUUM = {
    "autovacuum": "on",
    "autovacuum_naptime": "1s",
    "autovacuum_vacuum_threshold": "1",
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_cost_delay": "100ms",
    "autovacuum_vacuum_cost_limit": "1",
}

#: The publisher's slot is made by hand, since a subscription to its own cluster waits for itself for ever.
_SUBSCRIBE = (
    "CREATE SUBSCRIPTION feed CONNECTION '{conninfo}' PUBLICATION feed "
    "WITH (create_slot = false, slot_name = 'feed', copy_data = false)"
)
_UNSUBSCRIBE = (
    "ALTER SUBSCRIPTION feed DISABLE",
    "ALTER SUBSCRIPTION feed SET (slot_name = NONE)",
    "DROP SUBSCRIPTION feed",
)


#: Everything below, as it is seen while it runs: a condition on pg_stat_activity, and how many rows fulfil it.
RUNNING = {
    "backend_type LIKE 'logical replication%worker'": 1,
    "backend_type = 'walsender'": 1,
    "backend_type = 'parallel worker'": PARALLEL_WORKERS,
    "query LIKE 'autovacuum: VACUUM%garbage'": 1,
}


def is_running(condition: str) -> str:
    """A statement that is true when as many processes fulfil this condition of RUNNING as should."""
    return f"SELECT count(*) = {RUNNING[condition]} FROM pg_stat_activity WHERE {condition}"


@contextmanager
def garbage(stage: Stage) -> Iterator[None]:
    """A table in `small` that autovacuum finds full of dead rows."""
    with stage.superuser("small") as admin:
        admin.ask("CREATE TABLE garbage AS SELECT i FROM generate_series(1, 60000) i")
        admin.ask("DELETE FROM garbage WHERE i % 2 = 0")
    yield
    with stage.superuser("small") as admin:
        admin.ask("DROP TABLE garbage")


@contextmanager
def subscription(stage: Stage) -> Iterator[None]:
    """A logical apply worker in `small`, fed by a walsender of `shop` in the same cluster."""
    cluster = stage.cluster
    with stage.superuser("shop") as admin:
        admin.ask("CREATE PUBLICATION feed")
        admin.ask("SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
    with stage.superuser("small") as admin:
        conninfo = f"host={cluster.socket_dir} port={cluster.port} user=postgres dbname=shop"
        admin.ask(_SUBSCRIBE.format(conninfo=conninfo))
    yield
    with stage.superuser("small") as admin:
        for statement in _UNSUBSCRIBE:
            admin.ask(statement)
    with stage.superuser("shop") as admin:
        admin.ask("DROP PUBLICATION feed")


@contextmanager
def parallel_query(stage: Stage) -> Iterator[Wire]:
    """A session of `limited` in `small` whose query keeps PARALLEL_WORKERS busy."""
    with stage.superuser("small") as admin:
        admin.ask("CREATE TABLE grain AS SELECT i FROM generate_series(1, 1000) i")
        admin.ask(f"ALTER TABLE grain SET (parallel_workers = {PARALLEL_WORKERS}, autovacuum_enabled = off)")
        admin.ask("GRANT SELECT ON grain TO limited")
    leader = Wire(stage.cluster).login(LIMITED_IN_SMALL)
    leader.ask("SET parallel_setup_cost = 0")
    leader.ask("SET parallel_tuple_cost = 0")
    leader.send("SELECT count(*) FROM grain WHERE pg_sleep(60) IS NOT NULL")
    yield leader
    with stage.superuser("small") as admin:
        admin.ask(f"SELECT pg_terminate_backend({leader.pid})")
        leader.close()
        admin.ask("DROP TABLE grain")


@contextmanager
def silent_connections(stage: Stage, count: int) -> Iterator[None]:
    """TCP connections that never send a byte: they take no slot and have no row."""
    with ExitStack() as opened:
        for _ in range(count):
            opened.callback(Wire(stage.cluster, tcp=True).hang_up)
        yield
