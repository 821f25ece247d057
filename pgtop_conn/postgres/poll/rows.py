"""Rows as the statements give them -> Server and Backend. Text from outside is cleaned here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any, NamedTuple

from pgtop_conn.model.snapshot import WALSENDER, Backend, BackendKey, Server
from pgtop_conn.model.text import clean, clean_query, decode
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.poll.catalog_names import Names


class ActivityRow(NamedTuple):
    """A row of activity.sql: its columns, in its order. Times are seconds since the epoch on the server's clock."""

    pid: int
    datid: int | None
    usesysid: int | None
    application_name: str | None
    client: str | None
    client_port: int | None
    backend_start: float | None
    xact_start: float | None
    query_start: float | None
    state_change: float | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    backend_type: str | None
    ssl: bool | None
    leader_pid: int | None
    query_id: int | None
    holds_xmin: bool
    wrote: bool
    hidden: bool
    walsender: bool
    taken_at: float | None
    server_start: float | None
    #: Only with a query that is new: last, so that what tells whether a session changed is everything before it.
    query: bytes | None


def server_of(row: Mapping[str, Any], link: Link) -> Server:
    """The row of server.sql; own_pid is filled in by each poll, since behind a pooler it changes."""
    reserves = (clean(pair).rpartition("=") for pair in row["provider_reserved"])
    return Server(
        host=clean(link.host.name),
        port=link.host.port,
        database=clean(decode(row["database"])),
        version_num=row["version_num"],
        version=clean(row["version"]).split(" ")[0],
        in_recovery=row["in_recovery"],
        pooled=link.pooled,
        role=clean(decode(row["role"])),
        superuser=row["superuser"],
        sees_all=row["sees_all"],
        can_signal=row["can_signal"],
        uses_reserved=row["uses_reserved"],
        own_pid=0,
        max_connections=row["max_connections"],
        superuser_reserved=row["superuser_reserved"],
        reserved=row["reserved"],
        provider_reserved=MappingProxyType({name: int(slots) for name, _, slots in reserves if slots.isdigit()}),
        max_wal_senders=row["max_wal_senders"],
        started_at=row["started_at"],
        door=link.door,
        tls=link.tls,
        notes=link.notes,
    )


def backend_of(
    row: ActivityRow, kind: str | None, names: Names, query: str, blocked_by: tuple[int, ...] = ()
) -> Backend:
    """One session; `query` is clean already. What thousands of them share is kept once."""
    role_oid, database_oid = row.usesysid or 0, row.datid or 0
    database = names.databases.get(database_oid)
    port = row.client_port
    # A socket has no address and port -1; a hidden client has neither.
    client = row.client or ("local" if port == -1 else "")
    state = row.state
    return Backend(
        key=BackendKey(row.pid, row.backend_start),
        backend_type=_word(kind) if kind is not None else None,
        role_oid=role_oid,
        role=names.role_name(role_oid),
        database_oid=database_oid,
        database=database.name if database else "",
        app=_word(row.application_name or ""),
        client=_word(client),
        client_port=port if port is not None and port > 0 else None,
        state=_word(state) if state is not None else None,
        xact_start=row.xact_start,
        query_start=row.query_start,
        state_change=row.state_change,
        wait_event_type=_word(row.wait_event_type or ""),
        wait_event=_word(row.wait_event or ""),
        ssl=row.ssl,
        leader_pid=row.leader_pid,
        query_id=row.query_id,
        holds_xmin=row.holds_xmin,
        wrote=row.wrote,
        hidden=row.hidden,
        walsender=row.walsender or kind == WALSENDER,
        query=query,
        blocked_by=blocked_by,
    )


@lru_cache(maxsize=4096)
def _word(text: str) -> str:
    """A name that many sessions share, drawable and kept once."""
    return intern(clean(text))


def text_of(query: bytes, before: str = "") -> str:
    """The text of a query, drawable; the same one from many sessions is kept once. `before` is one that may be it."""
    text = decode(query)
    # A pool asks the same again and again, and what is drawable needs no second look.
    return before if text == before else intern(clean_query(text))
