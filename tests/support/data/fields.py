"""The fields that a factory takes by keyword, typed as their dataclass has them, so that mypy checks every call.

A new field of a dataclass: one line in its class here. What a factory derives by itself is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from pgtop_conn.model.locks import Locks
from pgtop_conn.model.snapshot import Counters


class BackendFields(TypedDict, total=False):
    """Of `Backend`, without its key: a factory makes that of the pid and of `backend_start`."""

    backend_type: str | None
    role_oid: int
    role: str
    database_oid: int
    database: str
    app: str
    client: str
    client_port: int | None
    state: str | None
    xact_start: float | None
    query_start: float | None
    state_change: float | None
    wait_event_type: str
    wait_event: str
    ssl: bool | None
    leader_pid: int | None
    holds_xmin: bool
    wrote: bool
    query_id: int | None
    hidden: bool
    walsender: bool
    query: str
    blocked_by: tuple[int, ...]
    by_title: bool
    kept_alive: bool
    app_host: str


class RoleFields(TypedDict, total=False):
    """Of `Role`, without its oid and its name."""

    superuser: bool
    replication: bool
    can_login: bool
    connection_limit: int
    usable: bool
    replication_member: bool
    uses_reserved: bool


class ServerFields(TypedDict, total=False):
    """Of `Server`."""

    host: str
    port: int
    database: str
    version_num: int
    version: str
    in_recovery: bool
    pooled: bool
    role: str
    superuser: bool
    sees_all: bool
    can_signal: bool
    uses_reserved: bool
    own_pid: int
    max_connections: int
    superuser_reserved: int
    reserved: int
    provider_reserved: Mapping[str, int]
    max_wal_senders: int
    provider: str | None
    door: str
    tls: str | None
    notes: tuple[str, ...]
    started_at: float | None
    system_id: str
    timeline: str
    missing: tuple[str, ...]


class SnapshotFields(TypedDict, total=False):
    """Of `Snapshot`, without what the factory makes of the rows."""

    taken_at: float
    authenticating: int
    counted_used: int | None
    counted_exact: bool
    counters: Counters | None
    locks: Locks | None
    poll_s: float


class TotalsFields(TypedDict, total=False):
    """Of `Totals`, without its time and its slots in use."""

    exact: bool
    max: int
    ordinary_free: int
    ordinary_capacity: int
    states: Mapping[str, int]
    apps: Mapping[str, int]
    limits: Mapping[str, tuple[int, int]]
    oldest_idle_s: float | None
    in_transaction: int
    started_at: float | None


class MarkFields(TypedDict, total=False):
    """Of `Mark`, without its time."""

    action: str
    pid: int
    role: str
    app: str
    outcome: str
    chosen_by: str


class SettingFields(TypedDict, total=False):
    """Of `ServerSetting`, without its name and its value."""

    unit: str
    shown: str
    context: str
    source: str
    pending_restart: bool


class ClusterFields(TypedDict, total=False):
    """Of `Cluster`, without its binaries."""

    settings: Mapping[str, str]
    hba: Sequence[str]
    tcp: bool
    folder: Path


class AddressFields(TypedDict, total=False):
    """Of `Cluster.uri()`: who comes to which database, and over what."""

    user: str
    database: str
    tcp: bool


class ClientFields(TypedDict, total=False):
    """Of `Clients`: one session of an application."""

    role: str
    app: str
    database: str
    tcp: bool
