"""Rows -> Snapshot. Reader keeps what the previous poll read, so that an unchanged session costs next to nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import compress, repeat
from operator import eq

from pgtop_conn.model.errors import NotPermitted, PollFailed
from pgtop_conn.model.instants import within_calendar
from pgtop_conn.model.locks import Locks
from pgtop_conn.model.signalling.server_identity import Place
from pgtop_conn.model.snapshot import (
    BACKGROUND,
    CLIENT_BACKEND,
    WALSENDER,
    Backend,
    BackendKey,
    Counters,
    Server,
    Snapshot,
)
from pgtop_conn.model.text import clean, clean_query
from pgtop_conn.postgres.connection.link import Link, Rows
from pgtop_conn.postgres.connection.privileges import Statements
from pgtop_conn.postgres.poll.authenticating import Authenticating
from pgtop_conn.postgres.poll.blockers import BlockerReader
from pgtop_conn.postgres.poll.catalog_names import Names
from pgtop_conn.postgres.poll.provider import ProviderReader
from pgtop_conn.postgres.poll.row_cache import Reading, RowCache
from pgtop_conn.postgres.poll.rows import ActivityRow, backend_of, server_of, text_of
from pgtop_conn.postgres.statements import EXACT_COUNT_SINCE

FACTS_EVERY_S = 30.0
#: After a failure to read roles, databases or settings, which a lock on a catalog can cause.
FACTS_RETRY_S = 5.0
COUNTERS_EVERY_S = 5.0
LOCKS_EVERY_S = 10.0
#: At once when a session comes or goes; a pid that was given out again may look the same where rows are hidden.
CLIENTS_EVERY_S = 10.0
#: After a statement that only adds to the picture has failed: sooner, and a lock would slow every poll.
EXTRA_RETRY_S = 30.0
#: A query that began so long before the last poll may show only now: the server stamps it before it publishes it.
TEXTS_OVERLAP_S = 0.25

_Texts = dict[int, str]


class AnotherServer(PollFailed):
    """A pooler has led us to another server: what was read before is not true of it."""

    def __init__(self) -> None:
        super().__init__("several servers answer in turn behind the pooler: connect to one of them directly")


class Reader:
    """What one connection has read so far. A new connection begins with a new one."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.asker = Statements(link)
        self._server: Server | None = None
        #: The server as the last poll saw it; None before the first.
        self.place: Place | None = None
        self._names = Names()
        #: Whether a name is still to be read, which a lock kept from us.
        self._nameless = False
        self._facts_due = self._facts_blocked_until = self._facts_read_at = 0.0
        #: When the oldest process of the server began, as far as we may see: younger ones are those of a restarted one.
        self._oldest_start = 0.0
        #: Texts of queries that began since are in the next reading; at first all of them.
        self.texts_since = 0.0
        #: What the last poll came to.
        self.kept = RowCache()
        self._clients: frozenset[int] | None = None
        self._clients_due = 0.0
        self._counters: Counters | None = None
        self._locks: Locks | None = None
        #: By the name of a statement that only adds to the picture: not to be asked before.
        self._due: dict[str, float] = {}
        self._blocking = BlockerReader()
        self._authenticating = Authenticating(link)
        self._recognising = ProviderReader(link)

    @property
    def own_key(self) -> BackendKey | None:
        """Our own session as the last poll saw it; None before the first, and behind a pooler, where it is shared."""
        known = self.kept.backends.get(self._server.own_pid) if self._server is not None else None
        return known.key if known is not None and not self._link.pooled else None

    def raw_names(self, role: str) -> Sequence[bytes]:
        """As Names.raw(): what a role may be called that was shown under this name."""
        return self._names.raw(role)

    async def read(self) -> Snapshot:
        """One poll: one statement, and others only when due. What it found is kept when it has all been read."""
        began = time.monotonic()
        reading = Reading(await self.asker.ask("activity", self.texts_since), self.kept.rows)
        own = _own(reading)
        if self._server is not None and own.server_start != self._server.started_at:
            raise AnotherServer
        server = await self._refresh_facts(reading, began)
        self._server = server = server if server.own_pid == own.pid else replace(server, own_pid=own.pid)
        self.place = Place(server, own.taken_at or 0.0)
        clients = await self._client_pids(reading, began)
        if clients != self._clients:
            reading.change_all()
        changed = reading.changed
        texts, untold = await self._read_texts(changed)
        blocked = await self._read_blocked(reading, began)
        self._clients = clients
        self.kept.take(reading, self._backends(changed, clients, texts, blocked), untold)
        self.texts_since = (own.taken_at or 0.0) - TEXTS_OVERLAP_S
        authenticating = await self._authenticating.without_row(frozenset(reading.pids), self.kept.used, server)
        await self._read_counters(began, reading)
        await self._read_locks(began)
        server = self._server = self._with_missing(server)
        return Snapshot(
            taken_at=within_calendar(own.taken_at or 0.0),
            server=server,
            backends=tuple(map(self.kept.backends.__getitem__, reading.pids)),
            roles=self._names.roles,
            databases=self._names.databases,
            authenticating=authenticating,
            counted_used=None if clients is None else self.kept.used,
            # Before, nothing tells a walsender that authenticates from a client.
            counted_exact=self._is_exact(clients, authenticating),
            counters=self._counters,
            locks=self._locks,
            poll_s=time.monotonic() - began,
            index=self.kept.by_key,
        )

    async def _refresh_facts(self, reading: Reading, now: float) -> Server:
        """Settings, roles and databases, every 30 s and on an unknown oid; stale ones do while a lock is in the way."""
        old = self._server
        # Behind a pooler a restart costs no connection of ours.
        oldest_start = _oldest_start(reading) if reading.moved else self._oldest_start
        if oldest_start > self._oldest_start:
            self._facts_due = min(self._facts_due, self._facts_read_at + FACTS_RETRY_S)
        self._oldest_start = oldest_start
        self._nameless = self._nameless or self._names.unknown((row.usesysid, row.datid) for row in reading.changed)
        if old is not None and (now < self._facts_blocked_until or (now < self._facts_due and not self._nameless)):
            return old
        if self.asker.missing:
            await self.asker.look_again()
        try:
            servers = await self.asker.ask("server")
            roles = await self._or_none("roles")
            databases = await self._or_none("databases")
        except PollFailed:
            if old is None:
                raise
            self._facts_blocked_until = now + FACTS_RETRY_S
            return old
        if self._names.learn(roles, databases, zip(reading.column("usesysid"), reading.column("datid"), strict=True)):
            self.kept.forget_rows()
            reading.change_all()
        self._nameless = False
        self._facts_due, self._facts_read_at = now + FACTS_EVERY_S, now
        provider = await self._recognising.provider(self._names.roles, self._names.databases)
        server = replace(server_of(servers[0], self._link), provider=provider)
        if server.started_at != _own(reading).server_start:
            raise AnotherServer
        return await self._identified(server, now)

    async def _identified(self, server: Server, now: float) -> Server:
        """With what tells it from others; as it was known before where that can't be read now."""
        rows = await self._extra("identity", now)
        if rows:
            return replace(server, system_id=clean(rows[0]["system_id"]), timeline=clean(rows[0]["timeline"] or ""))
        old = self._server
        if old is None or old.in_recovery != server.in_recovery:
            return server
        return replace(server, system_id=old.system_id, timeline=old.timeline)

    def _with_missing(self, server: Server) -> Server:
        """What this poll found to be missing is said with it."""
        lines = self.asker.lines(server.role)
        return server if lines == server.missing else replace(server, missing=lines)

    def _is_exact(self, clients: frozenset[int] | None, authenticating: int) -> bool:
        """Whether the slots in use are just as many."""
        version_num = self._link.version_num
        return self._counts_exactly or (clients is None and (not authenticating or version_num >= EXACT_COUNT_SINCE))

    @property
    def _counts_exactly(self) -> bool:
        """Whether the clients among hidden sessions can be told."""
        return self._link.version_num >= EXACT_COUNT_SINCE and self.asker.counts_exactly

    async def _or_none(self, name: str, *arguments: object) -> Rows:
        """Rows of a statement; none where they are not ours to read."""
        try:
            return await self.asker.ask(name, *arguments)
        except NotPermitted:
            return []

    async def _read_texts(self, changed: Sequence[ActivityRow]) -> tuple[_Texts, frozenset[int]]:
        """The text of each of these by pid, and those for whom the server had none to give.

        A text comes with its row, or is known; a statement more is needed when the server's clock was set back, or when
        it published a query late.
        """
        texts: _Texts = {}
        wanted: dict[int, float | None] = {}
        for row in changed:
            before = self.kept.backends.get(row.pid)
            if row.taken_at is not None:
                texts[row.pid] = _shown(self.asker.text("activity"))
            elif row.query is not None:
                texts[row.pid] = text_of(row.query, before.query if before is not None else "")
            elif row.query_start is None:
                texts[row.pid] = ""
            elif before is not None and _same_query(row, before) and row.pid not in self.kept.untold:
                texts[row.pid] = before.query
            else:
                wanted[row.pid] = row.backend_start
        if wanted:
            for found in await self._or_none("queries", list(map(str, wanted))):
                # Another start: the pid was recycled between the two statements.
                if wanted.get(found["pid"]) == found["backend_start"]:
                    texts[found["pid"]] = text_of(found["query"])
        return texts, frozenset(wanted.keys() - texts.keys())

    def _backends(
        self,
        changed: Sequence[ActivityRow],
        clients: frozenset[int] | None,
        texts: _Texts,
        blocked: Mapping[int, tuple[int, ...]],
    ) -> dict[int, Backend]:
        """The sessions that are new or differ; the others keep their object."""
        rows, before, backends = self.kept.rows, self.kept.backends, {}
        for row in changed:
            pid = row.pid
            kind, query, blocked_by = self._kind(row, clients), texts.get(pid, ""), blocked.get(pid, ())
            old, kept = before.get(pid), rows.get(pid)
            if old is None or kept is None or old.backend_type != kind or row[:-1] != tuple(kept)[:-1]:
                new = backend_of(row, kind, self._names, query, blocked_by)
                kept_alive = old is not None and new.keeps_alive(old)
                backends[pid] = replace(new, kept_alive=True) if kept_alive else new
            elif old.query != query:
                backends[pid] = replace(old, query=query)
        for pid in self._blocking.blocked_before | blocked.keys():
            one = backends.get(pid) or before.get(pid)
            if one is not None and one.blocked_by != blocked.get(pid, ()):
                backends[pid] = replace(one, blocked_by=blocked.get(pid, ()))
        self._blocking.blocked_before = frozenset(blocked)
        return backends

    async def _client_pids(self, reading: Reading, now: float) -> frozenset[int] | None:
        """Who holds, or on 16 and older may hold, a slot when rows are hidden from us; None when their types tell."""
        if not any(reading.column("hidden")):
            return None
        news = reading.moved or any(row.hidden for row in reading.changed)
        if self._clients is not None and not news and now < self._clients_due:
            return self._clients
        (row,) = await self.asker.ask("used_exact" if self._counts_exactly else "used_bound")
        self._clients_due = now + CLIENTS_EVERY_S
        return frozenset(map(int, row["pids"]))

    def _kind(self, row: ActivityRow, clients: frozenset[int] | None) -> str | None:
        """The type of a process, as far as it can be known where the server hides it."""
        if row.backend_type is not None:
            return row.backend_type
        if row.walsender:
            return WALSENDER
        if not row.hidden or clients is None:
            return None
        if row.pid not in clients:
            return BACKGROUND
        return CLIENT_BACKEND if self._counts_exactly else None

    async def _extra(self, name: str, now: float, *arguments: object, every_s: float = 0.0) -> Rows | None:
        """Rows of a statement that only adds to the picture; None when it is not due, or fails as under a lock."""
        if now < self._due.get(name, 0.0):
            return None
        try:
            rows = await self.asker.ask(name, *arguments)
        except PollFailed:
            self._due[name] = now + EXTRA_RETRY_S
            return None
        self._due[name] = now + every_s
        return rows

    async def _read_blocked(self, reading: Reading, now: float) -> Mapping[int, tuple[int, ...]]:
        """Who waits on a lock, and for whom; as it was for those that wait still when it cannot be read."""
        waiting = list(compress(reading.pids, map(eq, reading.column("wait_event_type"), repeat("Lock"))))
        if not waiting:
            self._blocking.learn(reading, waiting, {}, now)
        elif self._blocking.is_news(reading, waiting, now):
            found = await self._extra("blockers", now, list(map(str, waiting)))
            if found is not None:
                # The server names the leader of a parallel query once for itself and once for each of its workers.
                blocked = {row["pid"]: tuple(dict.fromkeys(map(int, row["blocked_by"]))) for row in found}
                self._blocking.learn(reading, waiting, blocked, now)
        return self._blocking.of(waiting)

    async def _read_counters(self, now: float, reading: Reading) -> None:
        """Sessions opened and ended, and transactions, every few seconds."""
        for row in await self._extra("counters", now, every_s=COUNTERS_EVERY_S) or ():
            # As pg_stat_database counts it, which would make the server copy the state of all sessions once more.
            numbackends = sum(map(self._names.databases.__contains__, reading.column("datid")))
            self._counters = Counters(**row, numbackends=numbackends)

    async def _read_locks(self, now: float) -> None:
        """Who holds locks, for what may be ended safely; it costs about as much as the activity itself (measured)."""
        for row in await self._extra("locks", now, every_s=LOCKS_EVERY_S) or ():
            pids = (frozenset(map(int, row[name])) for name in ("holders", "advisory", "slots"))
            self._locks = Locks(row["at"], *pids)


@lru_cache(maxsize=8)
def _shown(statement: str) -> str:
    """Our own statement as our own row shows it."""
    return clean_query(statement)


def _own(reading: Reading) -> ActivityRow:
    """Our own row. Raises PollFailed where the server lists none."""
    # Its instant is another one each time, unless the server's clock stands still.
    if not any(row.taken_at is not None for row in reading.changed):
        reading.change_all()
    own = next((row for row in reading.changed if row.taken_at is not None), None)
    if own is None:
        raise PollFailed("our own session is missing from what the server lists")
    return own


def _oldest_start(reading: Reading) -> float:
    """When the oldest process besides ours began, as far as we may see."""
    starts = zip(reading.column("backend_start"), reading.column("taken_at"), strict=True)
    return min((start for start, taken_at in starts if start is not None and taken_at is None), default=0.0)


def _same_query(row: ActivityRow, before: Backend) -> bool:
    """Whether the query is the one whose text we have."""
    return before.query_start == row.query_start and before.key.backend_start == row.backend_start
