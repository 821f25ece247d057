"""The host door: a Source that reads process titles instead of asking the server, and signals processes.

For a server that lets nobody in any more, while we are on its host as its own user or root. A title tells role,
database, client and state, and not what a role may do; the guards of this door make up for that
(model/signalling/guards.py).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pgtop_conn.model.errors import ConnectError, Failure, SourceLost
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.snapshot import (
    BACKGROUND,
    CLIENT_BACKEND,
    NEWCOMER,
    STARTUP,
    WALSENDER,
    Backend,
    BackendKey,
    Database,
    Role,
    Server,
    Snapshot,
)
from pgtop_conn.model.source import BEFORE, Action, Outcome, Status, Target
from pgtop_conn.model.text import clean, decode
from pgtop_conn.postgres.connection.slot_refusals import is_loopback
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo
from pgtop_conn.postgres.host_door.processes import (
    Postmaster,
    Process,
    boot_time,
    children,
    is_of,
    look,
    others,
    postmaster_at,
    postmasters,
    send,
    successor,
    ticks_per_second,
)
from pgtop_conn.postgres.host_door.server import name_of, server_of
from pgtop_conn.postgres.host_door.titles import Title, cluster_prefix, may_be_client, parse

#: What each action sends.
_SIGNALS = MappingProxyType({Action.TERMINATE: signal.SIGTERM, Action.CANCEL: signal.SIGINT})
_CHANGED = "its process has run, or has another title, since it was chosen"


class NotOurs(ConnectError):
    """A server is there, and we are neither its OS user nor root."""

    def __init__(self, message: str) -> None:
        super().__init__(message, failure=Failure.OURS)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as the last poll saw it, and since when nothing about it has changed."""

    process: Process
    backend: Backend
    since: float


class HostDoor:
    """`privileged` are names of roles that were seen to be superusers or to replicate, on this server, earlier."""

    def __init__(self, postmaster: Postmaster, server: Server, privileged: frozenset[str]) -> None:
        self._postmaster = postmaster
        self._server = server
        # initdb calls the bootstrap superuser like the OS user.
        self._privileged = privileged | {name_of(postmaster.owner), "postgres"}
        self._boot = boot_time()
        self._seen: dict[BackendKey, _Seen] = {}
        self._oids: dict[str, int] = {}
        self._closed = False

    @classmethod
    async def open(cls, info: ConnInfo, recall: Callable[[int], frozenset[str]] = lambda _: frozenset()) -> HostDoor:
        """Find the server; `recall` gives the privileged of the one at a port.

        Raises ConnectError when it is not here, NotOurs when it is not ours to signal.
        """
        postmaster = await asyncio.to_thread(find, info)
        if os.geteuid() not in (0, postmaster.owner):
            raise NotOurs(f"the host door is for the server's OS user, {name_of(postmaster.owner)}, or root")
        server = await asyncio.to_thread(server_of, postmaster)
        return cls(postmaster, server, recall(postmaster.port))

    async def poll(self) -> Snapshot:
        """One look at every process of the server. Raises SourceLost when the server is gone."""
        now = time.time()
        first = await self._still_there()
        owner = self._postmaster.owner
        kin = {one: is_of(one, first, owner) for one in await asyncio.to_thread(lambda: list(children(first.pid)))}
        # A child that the server did not make is nobody's session, whatever its title says.
        found = [process for process, ours in kin.items() if ours is not False]
        titles = {process.pid: clean(decode(process.title)) for process in found}
        prefix = cluster_prefix(list(titles.values()))
        before, self._seen = self._seen, {}
        for process in found:
            title = _told(process, first, titles[process.pid], prefix) if kin[process] else Title(None)
            backend = self._backend(process, title)
            old = before.get(backend.key)
            since = old.since if old is not None and old.process == process else now
            backend = replace(backend, state_change=since if backend.state else None)
            self._seen[backend.key] = _Seen(process, backend, since)
        backends = tuple(seen.backend for seen in self._seen.values())
        unknown = sum(one.backend_type is None for one in backends)
        return Snapshot(
            taken_at=now,
            server=replace(self._server, in_recovery=any(one.backend_type == STARTUP for one in backends)),
            backends=backends,
            roles=MappingProxyType({oid: self._role(name, oid) for name, oid in self._oids.items()}),
            databases=MappingProxyType[int, Database]({}),
            counted_used=sum(one.holds_slot for one in backends) if unknown else None,
            counted_exact=not unknown,
            poll_s=time.time() - now,
        )

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Signal each target by a descriptor of its process, which no other can take over."""
        await self._still_there()
        return [self._signal(action, target) for target in targets]

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Nobody here needs to know."""

    async def facts(self) -> Facts:
        """Nothing can be asked through this door."""
        return NO_FACTS

    async def close(self) -> None:
        """There is no session to end."""
        self._closed = True

    async def _still_there(self) -> Process:
        """The server's first process."""
        if self._closed:
            raise SourceLost("the host door was closed")
        process = look(self._postmaster.pid)
        if process is not None and process.started == self._postmaster.started:
            return process
        # Perhaps it was started again.
        again = await asyncio.to_thread(successor, self._postmaster)
        process = look(again.pid) if again is not None else None
        if again is None or process is None or again.owner != self._postmaster.owner:
            raise SourceLost("the server's first process is gone")
        self._postmaster = again
        self._server = await asyncio.to_thread(server_of, again)
        return process

    def _signal(self, action: Action, target: Target) -> Outcome:
        seen = self._seen.get(target.key)
        if seen is None:
            return Outcome(target, Status.GONE, BEFORE)
        if not target.still_is(seen.backend) or target.role != seen.backend.role:
            return Outcome(target, Status.CHANGED, _CHANGED)
        known = seen.backend.backend_type == CLIENT_BACKEND and seen.backend.role_oid
        if not known or seen.backend.role in self._privileged:
            return Outcome(target, Status.DENIED, "left alone: it is guarded")
        why = send(seen.process, _SIGNALS[action])
        if why == "gone":
            return Outcome(target, Status.GONE, BEFORE)
        if why == "changed":
            return Outcome(target, Status.CHANGED, _CHANGED)
        return Outcome(target, Status.DENIED, clean(why)) if why else Outcome(target, Status.SIGNALLED)

    def _backend(self, process: Process, title: Title) -> Backend:
        role, database = title.names[0] if title.names and not title.ambiguous else ("", "")
        oid = self._oids.setdefault(role, len(self._oids) + 1) if role else 0
        return Backend(
            key=BackendKey(process.pid, self._boot + process.started / ticks_per_second()),
            backend_type=title.kind,
            role_oid=oid,
            role=role or title.words,
            database_oid=0,
            database=database,
            app="",
            client=title.client,
            client_port=title.port,
            state=title.state,
            xact_start=None,
            query_start=None,
            state_change=None,
            wait_event_type="Lock" if title.waiting else "",
            wait_event="unknown" if title.waiting else "",
            ssl=None,
            leader_pid=None,
            holds_xmin=False,
            wrote=False,
            query_id=None,
            hidden=False,
            walsender=title.kind == WALSENDER,
            query=title.tag,
            by_title=True,
        )

    def _role(self, name: str, oid: int) -> Role:
        privileged = name in self._privileged
        return Role(
            oid, name, superuser=privileged, replication=False, can_login=True, connection_limit=-1, usable=True
        )


def _told(process: Process, first: Process, text: str, prefix: str) -> Title:
    """What the title of a server's process says for certain; without a kind where it may be a client's."""
    title = parse(text, prefix)
    if process.title == first.title:
        # Until a login says who it is, its process has the title of the first one; and it holds no slot.
        return replace(title, kind=NEWCOMER)
    if process.cut_off:
        # With its address it is a client's. What it does may go on, as may its names, which hold anything.
        return Title(CLIENT_BACKEND if title.kind == CLIENT_BACKEND else None, names=(("", text.strip()), ("", "")))
    if title.kind is None:
        return title if may_be_client(text) else replace(title, kind=BACKGROUND)
    return title


def find(info: ConnInfo) -> Postmaster:
    """The server that this connection string names, on this host. Raises ConnectError that lists what is here."""
    if not sys.platform.startswith("linux"):
        raise ConnectError("the host door needs Linux", failure=Failure.OURS)
    try:
        found = _named(info)
        told = ", ".join(_where(one) for one in postmasters()) or "none that is ours to see"
        strange = "; ".join(others())
    except OSError as error:
        text = f"the host door can't look at the processes of this host: {error.strerror}"
        raise ConnectError(text, failure=Failure.OURS) from None
    if found is not None:
        return found
    where = ", ".join(str(host) for host in info.hosts)
    beside = f"; and {strange}" if strange else ""
    text = clean(f"the host door found no server for {where} on this host; here are: {told}{beside}")
    raise NotOurs(text) if strange and os.geteuid() != 0 else ConnectError(text, failure=Failure.UNREACHABLE)


def _named(info: ConnInfo) -> Postmaster | None:
    for host in info.hosts:
        if host.is_socket:
            found = postmaster_at(Path(host.name), host.port)
            if found is not None:
                return found
        elif is_loopback(host):
            same = [one for one in postmasters() if one.tcp and one.port == host.port]
            if len(same) == 1:
                return same[0]
    return None


def _where(postmaster: Postmaster) -> str:
    return f"-h {postmaster.socket_folder} -p {postmaster.port} ({postmaster.data_folder})"


def is_at_hand(info: ConnInfo) -> bool:
    """Whether this door would open: the server is on this host, and we are its OS user or root."""
    try:
        return os.geteuid() in (0, find(info).owner)
    except ConnectError:
        return False
