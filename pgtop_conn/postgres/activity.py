"""Rows -> Snapshot. Reader keeps what the previous poll read, so that an unchanged session costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.slots import may_hold_slot
from pgtop_conn.model.snapshot import (
    BACKGROUND,
    CLIENT_BACKEND,
    WALSENDER,
    Backend,
    BackendKey,
    Counters,
    Database,
    Locks,
    Role,
    Server,
    Snapshot,
)
from pgtop_conn.model.text import clean, clean_query, decode
from pgtop_conn.postgres.authenticating import Authenticating
from pgtop_conn.postgres.link import Link, Rows
from pgtop_conn.postgres.recognising import Recognising
from pgtop_conn.postgres.statements import EXACT_COUNT_SINCE, statement, versioned

FACTS_EVERY_S = 30.0
#: After a failure to read roles, databases or settings, which a lock on a catalog can cause.
FACTS_RETRY_S = 5.0
COUNTERS_EVERY_S = 5.0
LOCKS_EVERY_S = 10.0
#: After a statement that only adds to the picture has failed: sooner, and a lock would slow every poll.
EXTRA_RETRY_S = 30.0
#: From such a share of changed queries on, one scan of all sessions is cheaper than a look at each (200 and 2,000, 18).
MANY_QUERIES = 0.25

Row = Mapping[str, Any]
_Text = tuple[float | None, float | None, str]


class Names:
    """Roles and databases by oid; a lookup that fails is not repeated before the next reading."""

    def __init__(self) -> None:
        self.roles: Mapping[int, Role] = {}
        self.databases: Mapping[int, Database] = {}
        self._missing: set[tuple[int, int]] = set()
        self._raw: dict[str, list[bytes]] = {}

    def raw(self, role: str) -> Sequence[bytes]:
        """Every name at the last reading that is this one when it is cleaned; none when there is no such role."""
        return self._raw.get(role, [])

    def unknown(self, rows: Rows) -> bool:
        """Whether a row names an oid that was not there at the last reading."""
        pairs = {(row["usesysid"] or 0, row["datid"] or 0) for row in rows} - self._missing
        return any((role and role not in self.roles) or (base and base not in self.databases) for role, base in pairs)

    def learn(self, roles: Rows, databases: Rows, rows: Rows) -> bool:
        """Take a new reading; whether anything differs from the last one."""
        before = (self.roles, self.databases)
        self.roles = MappingProxyType({row["oid"]: _role(row) for row in roles})
        self.databases = MappingProxyType(
            {row["oid"]: Database(row["oid"], clean(decode(row["name"])), row["datconnlimit"]) for row in databases}
        )
        self._raw = {}
        for row in roles:
            self._raw.setdefault(clean(decode(row["name"])), []).append(row["name"])
        self._missing = {(row["usesysid"] or 0, row["datid"] or 0) for row in rows}
        return before != (self.roles, self.databases)


def _role(row: Row) -> Role:
    return Role(
        oid=row["oid"],
        name=clean(decode(row["name"])),
        superuser=row["rolsuper"],
        replication=row["rolreplication"],
        can_login=row["rolcanlogin"],
        connection_limit=row["rolconnlimit"],
        usable=row["usable"],
        replication_member=row["replication_member"],
        uses_reserved=row["uses_reserved"],
    )


def server_of(row: Row, link: Link) -> Server:
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


def backend_of(row: Row, kind: str | None, names: Names, query: str, blocked_by: tuple[int, ...]) -> Backend:
    """One row of activity.sql, cleaned here and nowhere else; `query` is clean already."""
    role_oid, database_oid = row["usesysid"] or 0, row["datid"] or 0
    role, database = names.roles.get(role_oid), names.databases.get(database_oid)
    port = row["client_port"]
    # A socket has no address and port -1; a hidden client has neither.
    client = row["client"] or ("local" if port == -1 else "")
    state = row["state"]
    return Backend(
        key=BackendKey(row["pid"], row["backend_start"]),
        backend_type=clean(kind) if kind is not None else None,
        role_oid=role_oid,
        role=role.name if role else "",
        database_oid=database_oid,
        database=database.name if database else "",
        app=clean(row["application_name"] or ""),
        client=clean(client),
        client_port=port if port is not None and port > 0 else None,
        state=clean(state) if state is not None else None,
        xact_start=row["xact_start"],
        query_start=row["query_start"],
        state_change=row["state_change"],
        wait_event_type=clean(row["wait_event_type"] or ""),
        wait_event=clean(row["wait_event"] or ""),
        ssl=row["ssl"],
        leader_pid=row["leader_pid"],
        query_id=row["query_id"],
        holds_xmin=row["holds_xmin"],
        wrote=row["wrote"],
        hidden=row["hidden"],
        walsender=row["walsender"] or kind == WALSENDER,
        query=query,
        blocked_by=blocked_by,
    )


class Reader:
    """What one connection has read so far. A new connection begins with a new one."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._activity = versioned("activity", link.version_num)
        self._own_text = clean_query(self._activity)
        self._server: Server | None = None
        self._names = Names()
        self._facts_due = self._facts_blocked_until = self._facts_read_at = 0.0
        #: When the oldest process of the server began, as far as we may see: younger ones are those of a restarted one.
        self._oldest_start = 0.0
        self._texts: dict[int, _Text] = {}
        self._known: dict[int, tuple[Row, Backend]] = {}
        self._counters: Counters | None = None
        self._locks: Locks | None = None
        #: By the name of a statement that only adds to the picture: not to be asked before.
        self._due: dict[str, float] = {}
        self._authenticating = Authenticating(link)
        self._recognising = Recognising(link)

    @property
    def own_key(self) -> BackendKey | None:
        """Our own session as the last poll saw it; None before the first, and behind a pooler, where it is shared."""
        known = self._known.get(self._server.own_pid) if self._server is not None and not self._link.pooled else None
        return known[1].key if known is not None else None

    def raw_names(self, role: str) -> Sequence[bytes]:
        """As Names.raw(): what a role may be called that was shown under this name."""
        return self._names.raw(role)

    async def read(self) -> Snapshot:
        """One poll: one statement, a second one when queries changed, others only when due."""
        began = time.monotonic()
        rows = await self._link.read(self._activity)
        own = next((row for row in rows if row["taken_at"] is not None), None)
        if own is None:
            raise PollFailed("our own session is missing from what the server lists")
        server = await self._refresh_facts(rows, began)
        self._server = server = server if server.own_pid == own["pid"] else replace(server, own_pid=own["pid"])
        await self._read_texts(rows)
        blocked = await self._read_blocked(rows, began)
        clients = await self._client_pids(rows)
        backends = self._backends(rows, clients, blocked)
        used = sum(may_hold_slot(backend) for backend in backends)
        listed = frozenset(row["pid"] for row in rows)
        authenticating = await self._authenticating.without_row(listed, used, server)
        await self._read_counters(began)
        await self._read_locks(began)
        return Snapshot(
            taken_at=own["taken_at"],
            server=server,
            backends=backends,
            roles=self._names.roles,
            databases=self._names.databases,
            authenticating=authenticating,
            counted_used=None if clients is None else used,
            # Before, nothing tells a walsender that authenticates from a client.
            counted_exact=self._link.version_num >= EXACT_COUNT_SINCE or (clients is None and not authenticating),
            counters=self._counters,
            locks=self._locks,
            poll_s=time.monotonic() - began,
        )

    async def _refresh_facts(self, rows: Rows, now: float) -> Server:
        """Settings, roles and databases, every 30 s and on an unknown oid; stale ones do while a lock is in the way."""
        old = self._server
        # Behind a pooler a restart costs no connection of ours.
        starts = (row["backend_start"] for row in rows if row["taken_at"] is None)
        oldest_start = min((start for start in starts if start is not None), default=0.0)
        if oldest_start > self._oldest_start:
            self._facts_due = min(self._facts_due, self._facts_read_at + FACTS_RETRY_S)
        self._oldest_start = oldest_start
        if old is not None and (
            now < self._facts_blocked_until or (now < self._facts_due and not self._names.unknown(rows))
        ):
            return old
        try:
            servers = await self._link.read(statement("server"))
            roles = await self._link.read(statement("roles"))
            databases = await self._link.read(statement("databases"))
        except PollFailed:
            if old is None:
                raise
            self._facts_blocked_until = now + FACTS_RETRY_S
            return old
        if not servers:
            raise PollFailed("our own role is gone from pg_roles")
        if self._names.learn(roles, databases, rows):
            self._known.clear()
        self._facts_due, self._facts_read_at = now + FACTS_EVERY_S, now
        provider = await self._recognising.provider(self._names.roles, self._names.databases)
        return replace(server_of(servers[0], self._link), provider=provider)

    async def _read_texts(self, rows: Rows) -> None:
        """Query texts of those whose (backend_start, query_start) differs from the text we have."""
        old, kept, wanted = self._texts, {}, []
        for row in rows:
            if row["query_start"] is None or row["taken_at"] is not None:
                continue
            pid = row["pid"]
            text = old.get(pid)
            if text is not None and text[1] == row["query_start"] and text[0] == row["backend_start"]:
                kept[pid] = text
            else:
                wanted.append(pid)
        if wanted:
            name = "queries" if len(wanted) < MANY_QUERIES * len(rows) else "queries_of_many"
            for row in await self._link.read(statement(name), list(map(str, wanted))):
                kept[row["pid"]] = (row["backend_start"], row["query_start"], clean_query(decode(row["query"])))
        self._texts = kept

    def _backends(
        self, rows: Rows, clients: frozenset[int] | None, blocked: Mapping[int, tuple[int, ...]]
    ) -> tuple[Backend, ...]:
        """The previous object wherever nothing about a session changed."""
        old, known, backends = self._known, {}, []
        for row in rows:
            pid = row["pid"]
            kind, query, blocked_by = self._kind(row, clients), self._query_of(row), blocked.get(pid, ())
            before = old.get(pid)
            if before is not None and before[0] == row and before[1].backend_type == kind:
                backend = before[1]
                if backend.query != query or backend.blocked_by != blocked_by:
                    backend = replace(backend, query=query, blocked_by=blocked_by)
            else:
                backend = backend_of(row, kind, self._names, query, blocked_by)
            known[pid] = (row, backend)
            backends.append(backend)
        self._known = known
        return tuple(backends)

    def _query_of(self, row: Row) -> str:
        if row["taken_at"] is not None:
            return self._own_text
        text = self._texts.get(row["pid"])
        # Another start: the pid was recycled between the two statements.
        return text[2] if text is not None and text[0] == row["backend_start"] else ""

    async def _client_pids(self, rows: Rows) -> frozenset[int] | None:
        """Who holds, or on 16 and older may hold, a slot when rows are hidden from us; None when their types tell."""
        if not any(row["hidden"] for row in rows):
            return None
        name = "used_exact" if self._link.version_num >= EXACT_COUNT_SINCE else "used_bound"
        (row,) = await self._link.read(statement(name))
        return frozenset(map(int, row["pids"]))

    def _kind(self, row: Row, clients: frozenset[int] | None) -> str | None:
        """The type of a process, as far as it can be known where the server hides it."""
        kind = row["backend_type"]
        if kind is not None:
            return str(kind)
        if row["walsender"]:
            return WALSENDER
        if not row["hidden"] or clients is None:
            return None
        if row["pid"] not in clients:
            return BACKGROUND
        return CLIENT_BACKEND if self._link.version_num >= EXACT_COUNT_SINCE else None

    async def _extra(self, name: str, now: float, *arguments: object, every_s: float = 0.0) -> Rows | None:
        """Rows of a statement that only adds to the picture; None when it is not due, or fails as under a lock."""
        if now < self._due.get(name, 0.0):
            return None
        try:
            rows = await self._link.read(versioned(name, self._link.version_num), *arguments)
        except PollFailed:
            self._due[name] = now + EXTRA_RETRY_S
            return None
        self._due[name] = now + every_s
        return rows

    async def _read_blocked(self, rows: Rows, now: float) -> Mapping[int, tuple[int, ...]]:
        """Who waits on a lock, and for whom; as it was for those that wait still when it cannot be read."""
        waiting = [row["pid"] for row in rows if row["wait_event_type"] == "Lock"]
        if not waiting:
            return {}
        found = await self._extra("blockers", now, list(map(str, waiting)))
        if found is None:
            return {pid: self._known[pid][1].blocked_by for pid in waiting if pid in self._known}
        return {row["pid"]: tuple(map(int, row["blocked_by"])) for row in found}

    async def _read_counters(self, now: float) -> None:
        """Sessions opened and ended, and transactions, every few seconds."""
        for row in await self._extra("counters", now, every_s=COUNTERS_EVERY_S) or ():
            self._counters = Counters(**row)

    async def _read_locks(self, now: float) -> None:
        """Who holds locks, for what may be ended safely; it costs about as much as the activity itself (measured)."""
        for row in await self._extra("locks", now, every_s=LOCKS_EVERY_S) or ():
            self._locks = Locks(row["at"], frozenset(map(int, row["holders"])))
