"""Backends, servers and snapshots for tests: sensible defaults, and every field can be overridden by name.

`NOW` is the instant of every snapshot made here; write times as `NOW - 60`. The keywords are those of `fields`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Unpack

from pgtop_conn.model.snapshot import (
    ACTIVE,
    CLIENT_BACKEND,
    IDLE,
    WALSENDER,
    Backend,
    BackendKey,
    Database,
    Role,
    Server,
    Snapshot,
)
from tests.support.data.fields import BackendFields, RoleFields, ServerFields, SnapshotFields

#: 2026-03-01 12:00:00 UTC.
NOW = 1_772_366_400.0
#: When a backend began, unless a test says otherwise.
BEGAN = NOW - 3600.0

OWN_PID = 999
OWN_ROLE_OID = 10
APP_ROLE_OID = 16_384
DATABASE_OID = 5

_BACKEND = Backend(
    key=BackendKey(4711, BEGAN),
    backend_type=CLIENT_BACKEND,
    role_oid=APP_ROLE_OID,
    role="app",
    database_oid=DATABASE_OID,
    database="shop",
    app="web",
    client="10.2.0.17",
    client_port=50_000,
    state=IDLE,
    xact_start=None,
    query_start=NOW - 61.0,
    state_change=NOW - 60.0,
    wait_event_type="Client",
    wait_event="ClientRead",
    ssl=False,
    leader_pid=None,
    holds_xmin=False,
    wrote=False,
    query_id=None,
    hidden=False,
    walsender=False,
    query="SELECT * FROM invoices WHERE id = $1",
)
_ROLE = Role(
    oid=APP_ROLE_OID,
    name="app",
    superuser=False,
    replication=False,
    can_login=True,
    connection_limit=-1,
    usable=True,
)
_SERVER = Server(
    host="db.example",
    port=5432,
    database="postgres",
    version_num=160_004,
    version="16.4",
    in_recovery=False,
    pooled=False,
    role="dba",
    superuser=True,
    sees_all=True,
    can_signal=True,
    uses_reserved=True,
    own_pid=OWN_PID,
    max_connections=100,
    superuser_reserved=3,
    reserved=0,
    provider_reserved={},
    max_wal_senders=10,
    started_at=NOW - 86_400.0,
)


def make_backend(
    pid: int = 4711, *, backend_start: float | None = BEGAN, **overrides: Unpack[BackendFields]
) -> Backend:
    """An idle client backend of role `app` that began an hour ago and last ran a SELECT a minute ago.

    With state="active" it runs something, and so waits for nothing.
    """
    fields: BackendFields = {}
    if overrides.get("state") == ACTIVE:
        fields = {"wait_event_type": "", "wait_event": ""}
    return replace(_BACKEND, key=BackendKey(pid, backend_start), **(fields | overrides))


def make_hidden(pid: int = 4712, *, backend_start: float | None = None, **overrides: Unpack[BackendFields]) -> Backend:
    """The row of another role as a role without pg_read_all_stats sees it."""
    fields: BackendFields = {
        "backend_type": None,
        "client": "",
        "client_port": None,
        "state": None,
        "query_start": None,
        "state_change": None,
        "wait_event_type": "",
        "wait_event": "",
        "ssl": None,
        "query": "",
        "hidden": True,
    }
    return make_backend(pid, backend_start=backend_start, **(fields | overrides))


def make_walsender(
    pid: int = 4713, *, backend_start: float | None = BEGAN, **overrides: Unpack[BackendFields]
) -> Backend:
    """A streaming standby."""
    fields: BackendFields = {
        "backend_type": WALSENDER,
        "role": "replicator",
        "role_oid": 16_390,
        "database": "",
        "database_oid": 0,
        "app": "standby",
        "state": ACTIVE,
        "query": "START_REPLICATION 0/3000000 TIMELINE 1",
        "wait_event_type": "Activity",
        "wait_event": "WalSenderMain",
        "walsender": True,
    }
    return make_backend(pid, backend_start=backend_start, **(fields | overrides))


def make_background(pid: int = 4714, kind: str = "checkpointer", **overrides: Unpack[BackendFields]) -> Backend:
    """A process of the server itself: no role, no database, no state."""
    fields: BackendFields = {
        "backend_type": kind,
        "role": "",
        "role_oid": 0,
        "database": "",
        "database_oid": 0,
        "app": "",
        "client": "",
        "client_port": None,
        "state": None,
        "query_start": None,
        "state_change": None,
        "wait_event_type": "Activity",
        "wait_event": "CheckpointerMain",
        "ssl": None,
        "query": "",
    }
    return make_backend(pid, **(fields | overrides))


def make_own(*, backend_start: float | None = BEGAN, **overrides: Unpack[BackendFields]) -> Backend:
    """The monitor's own session."""
    fields: BackendFields = {
        "role": "dba",
        "role_oid": OWN_ROLE_OID,
        "database": "postgres",
        "app": "pgtop-conn",
        "state": ACTIVE,
    }
    return make_backend(OWN_PID, backend_start=backend_start, **(fields | overrides))


def make_role(oid: int = APP_ROLE_OID, name: str = "app", **overrides: Unpack[RoleFields]) -> Role:
    """An ordinary login role that the monitor's role may signal."""
    return replace(_ROLE, oid=oid, name=name, **overrides)


def make_server(**overrides: Unpack[ServerFields]) -> Server:
    """A PostgreSQL 16.4 primary with 100 slots, seen by a superuser."""
    return replace(_SERVER, **overrides)


def make_snapshot(
    backends: Iterable[Backend] | None = None,
    *,
    server: Server | None = None,
    roles: Mapping[int, Role] | Iterable[Role] | None = None,
    databases: Mapping[int, Database] | None = None,
    **overrides: Unpack[SnapshotFields],
) -> Snapshot:
    """A poll at NOW; without `backends` it holds our own session and one of `app`.

    Roles and databases that are not given are made up from the rows: ordinary roles, and `dba` as a superuser.
    """
    rows = tuple(backends) if backends is not None else (make_own(), make_backend())
    made_roles = {row.role_oid: make_role(row.role_oid, row.role) for row in rows if row.role_oid}
    made_roles[OWN_ROLE_OID] = make_role(OWN_ROLE_OID, "dba", superuser=True)
    if isinstance(roles, Mapping):
        made_roles.update(roles)
    elif roles is not None:
        made_roles.update((role.oid, role) for role in roles)
    if databases is None:
        databases = {row.database_oid: Database(row.database_oid, row.database, -1) for row in rows if row.database_oid}
    made = Snapshot(taken_at=NOW, server=server or make_server(), backends=rows, roles=made_roles, databases=databases)
    return replace(made, **overrides)


#: Room for any crowd.
ROOMY = make_server(max_connections=3000)


def poll(rows: Iterable[Backend], after_s: float = 0.0, server: Server = ROOMY) -> Snapshot:
    """Our own session and these, so many seconds after NOW."""
    return make_snapshot([make_own(), *rows], server=server, taken_at=NOW + after_s)
