"""Backends, servers and snapshots for tests: sensible defaults, and every field can be overridden by name.

`NOW` is the instant of every snapshot made here; write times as `NOW - 60`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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

#: 2026-03-01 12:00:00 UTC.
NOW = 1_772_366_400.0

OWN_PID = 999
OWN_ROLE_OID = 10
APP_ROLE_OID = 16_384
DATABASE_OID = 5


def make_backend(pid: int = 4711, **overrides: Any) -> Backend:
    """An idle client backend of role `app` that began an hour ago and last ran a SELECT a minute ago.

    Beside the fields of Backend it takes `backend_start`, which goes into the key.
    """
    key = overrides.pop("key", None) or BackendKey(pid, overrides.pop("backend_start", NOW - 3600.0))
    fields: dict[str, Any] = {
        "key": key,
        "backend_type": CLIENT_BACKEND,
        "role_oid": APP_ROLE_OID,
        "role": "app",
        "database_oid": DATABASE_OID,
        "database": "shop",
        "app": "web",
        "client": "10.2.0.17",
        "client_port": 50_000,
        "state": IDLE,
        "xact_start": None,
        "query_start": NOW - 61.0,
        "state_change": NOW - 60.0,
        "wait_event_type": "Client",
        "wait_event": "ClientRead",
        "ssl": False,
        "leader_pid": None,
        "holds_xmin": False,
        "wrote": False,
        "query_id": None,
        "hidden": False,
        "walsender": False,
        "query": "SELECT * FROM invoices WHERE id = $1",
        "blocked_by": (),
    }
    if overrides.get("state") == ACTIVE:
        # It runs something: what waits for its client says so.
        fields |= {"wait_event_type": "", "wait_event": ""}
    return Backend(**(fields | overrides))


def make_hidden(pid: int = 4712, **overrides: Any) -> Backend:
    """The row of another role as a role without pg_read_all_stats sees it."""
    fields: dict[str, Any] = {
        "backend_start": None,
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
    return make_backend(pid, **(fields | overrides))


def make_walsender(pid: int = 4713, **overrides: Any) -> Backend:
    """A streaming standby."""
    fields: dict[str, Any] = {
        "backend_type": WALSENDER,
        "role": "replicator",
        "role_oid": 16_390,
        "database": "",
        "database_oid": 0,
        "app": "standby",
        "state": "active",
        "query": "START_REPLICATION 0/3000000 TIMELINE 1",
        "wait_event_type": "Activity",
        "wait_event": "WalSenderMain",
        "walsender": True,
    }
    return make_backend(pid, **(fields | overrides))


def make_background(pid: int = 4714, backend_type: str = "checkpointer", **overrides: Any) -> Backend:
    """A process of the server itself: no role, no database, no state."""
    fields: dict[str, Any] = {
        "backend_type": backend_type,
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


def make_role(oid: int = APP_ROLE_OID, name: str = "app", **overrides: Any) -> Role:
    """An ordinary login role that the monitor's role may signal."""
    fields: dict[str, Any] = {
        "oid": oid,
        "name": name,
        "superuser": False,
        "replication": False,
        "can_login": True,
        "connection_limit": -1,
        "usable": True,
    }
    return Role(**(fields | overrides))


def make_server(**overrides: Any) -> Server:
    """A PostgreSQL 16.4 primary with 100 slots, seen by a superuser."""
    fields: dict[str, Any] = {
        "host": "db.example",
        "port": 5432,
        "database": "postgres",
        "version_num": 160_004,
        "version": "16.4",
        "in_recovery": False,
        "pooled": False,
        "role": "dba",
        "superuser": True,
        "sees_all": True,
        "can_signal": True,
        "uses_reserved": True,
        "own_pid": OWN_PID,
        "max_connections": 100,
        "superuser_reserved": 3,
        "reserved": 0,
        "provider_reserved": {},
        "max_wal_senders": 10,
        "provider": None,
        "started_at": NOW - 86_400.0,
    }
    return Server(**(fields | overrides))


def make_own(**overrides: Any) -> Backend:
    """The monitor's own session."""
    fields: dict[str, Any] = {"role": "dba", "role_oid": OWN_ROLE_OID, "database": "postgres", "app": "pgtop-conn"}
    return make_backend(OWN_PID, **(fields | {"state": "active"} | overrides))


def make_snapshot(
    backends: Iterable[Backend] | None = None,
    *,
    server: Server | None = None,
    roles: Mapping[int, Role] | Iterable[Role] | None = None,
    databases: Mapping[int, Database] | None = None,
    **overrides: Any,
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
    return Snapshot(
        taken_at=overrides.pop("taken_at", NOW),
        server=server or make_server(),
        backends=rows,
        roles=made_roles,
        databases=databases,
        **overrides,
    )
