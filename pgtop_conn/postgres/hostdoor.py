"""The host door: a Source that reads process titles instead of asking the server, and signals processes.

For a server that lets nobody in any more, while we are on its host as its own user or root. A title tells role,
database, client and state, and not what a role may do; the guards of this door make up for that (model/guards.py).
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pgtop_conn.model.errors import ConnectError, SourceLost
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.snapshot import (
    CLIENT_BACKEND,
    HOST_DOOR,
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
from pgtop_conn.postgres.conninfo import ConnInfo
from pgtop_conn.postgres.passfile import DEFAULT_SOCKET_FOLDERS
from pgtop_conn.postgres.processes import (
    Postmaster,
    Process,
    boot_time,
    children,
    look,
    postmaster_at,
    postmasters,
    send,
    ticks_per_second,
)
from pgtop_conn.postgres.refused import is_local
from pgtop_conn.postgres.titles import Title, cluster_prefix, parse

#: What each action sends.
_SIGNALS = MappingProxyType({Action.TERMINATE: signal.SIGTERM, Action.CANCEL: signal.SIGINT})
#: Asked of the server's own program: what it says is what the files say, which a restart may be due for.
_SETTINGS = ("max_connections", "superuser_reserved_connections", "reserved_connections", "max_wal_senders")
_ASKING_S = 5.0


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
        self._privileged = privileged | {_owner(postmaster), "postgres"}
        self._boot = boot_time()
        self._seen: dict[BackendKey, _Seen] = {}
        self._oids: dict[str, int] = {}
        self._closed = False

    @classmethod
    async def open(cls, info: ConnInfo, privileged: frozenset[str] = frozenset()) -> HostDoor:
        """Find the server. Raises ConnectError when it is not here, or not ours to signal."""
        postmaster = find(info)
        if os.geteuid() not in (0, _owner_id(postmaster)):
            raise ConnectError(
                f"the host door is for the server's OS user, {_owner(postmaster)}, or root: run it with sudo"
            )
        server = await asyncio.to_thread(_server_of, postmaster)
        return cls(postmaster, server, privileged)

    async def poll(self) -> Snapshot:
        """One look at every process of the server. Raises SourceLost when the server is gone."""
        now = time.time()
        await self._still_there()
        found = await asyncio.to_thread(lambda: list(children(self._postmaster.pid)))
        titles = {process.pid: clean(decode(process.title)) for process in found}
        prefix = cluster_prefix(list(titles.values()))
        before, self._seen = self._seen, {}
        for process in found:
            backend = self._backend(process, parse(titles[process.pid], prefix), titles[process.pid])
            old = before.get(backend.key)
            since = old.since if old is not None and old.process == process else now
            backend = replace(backend, state_change=since if backend.state else None)
            self._seen[backend.key] = _Seen(process, backend, since)
        backends = tuple(seen.backend for seen in self._seen.values())
        # A child that has not named itself yet may be a login.
        unborn = sum(backend.backend_type is None for backend in backends)
        return Snapshot(
            taken_at=now,
            server=self._server,
            backends=tuple(backend for backend in backends if backend.backend_type is not None),
            roles=MappingProxyType({oid: self._role(name, oid) for name, oid in self._oids.items()}),
            databases=MappingProxyType[int, Database]({}),
            authenticating=unborn,
            counted_exact=not unborn,
            poll_s=time.time() - now,
        )

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Signal each target by a descriptor of its process, which no other can take over."""
        await self._still_there()
        return [self._signal(action, target) for target in targets]

    async def facts(self) -> Facts:
        """Nothing can be asked through this door."""
        return NO_FACTS

    async def close(self) -> None:
        """There is no session to end."""
        self._closed = True

    async def _still_there(self) -> None:
        process = look(self._postmaster.pid)
        if self._closed:
            raise SourceLost("the host door was closed")
        if process is None or process.started != self._postmaster.started:
            # Perhaps it was started again.
            again = postmaster_at(self._postmaster.socket_folder, self._postmaster.port)
            if again is None:
                raise SourceLost("the server's first process is gone")
            self._postmaster = again
            self._server = await asyncio.to_thread(_server_of, again)

    def _signal(self, action: Action, target: Target) -> Outcome:
        seen = self._seen.get(target.key)
        if seen is None:
            return Outcome(target, Status.GONE, BEFORE)
        if not target.still_is(seen.backend) or target.role != seen.backend.role:
            return Outcome(target, Status.CHANGED, "its title has changed since it was chosen")
        if seen.backend.backend_type != CLIENT_BACKEND or seen.backend.role in self._privileged:
            return Outcome(target, Status.DENIED, "left alone: it is guarded")
        why = send(seen.process, _SIGNALS[action])
        if why == "gone":
            return Outcome(target, Status.GONE, BEFORE)
        if why == "changed":
            return Outcome(target, Status.CHANGED, "its title has changed since it was chosen")
        return Outcome(target, Status.DENIED, clean(why)) if why else Outcome(target, Status.SIGNALLED)

    def _backend(self, process: Process, title: Title, text: str) -> Backend:
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
        )

    def _role(self, name: str, oid: int) -> Role:
        privileged = name in self._privileged
        return Role(
            oid, name, superuser=privileged, replication=False, can_login=True, connection_limit=-1, usable=True
        )


def find(info: ConnInfo) -> Postmaster:
    """The server that this connection string names, on this host. Raises ConnectError that lists what is here."""
    if not sys.platform.startswith("linux"):
        raise ConnectError("the host door needs Linux")
    here = postmasters(tuple(dict.fromkeys((*DEFAULT_SOCKET_FOLDERS, *(h.name for h in info.hosts if h.is_socket)))))
    for host in info.hosts:
        if host.is_socket:
            found = postmaster_at(Path(host.name), host.port)
            if found is not None:
                return found
        elif is_local(host):
            same = [one for one in here if one.port == host.port]
            if len(same) == 1:
                return same[0]
    listed = ", ".join(f"-h {one.socket_folder} -p {one.port} ({one.data_folder})" for one in here)
    where = ", ".join(str(host) for host in info.hosts)
    raise ConnectError(clean(f"the host door found no server for {where} on this host; here are: {listed or 'none'}"))


def _owner_id(postmaster: Postmaster) -> int:
    """Nobody's number when the server has just ended."""
    try:
        return Path(f"/proc/{postmaster.pid}").stat().st_uid
    except OSError:
        return -1


def _owner(postmaster: Postmaster) -> str:
    """The OS user of the server: initdb names the bootstrap superuser after it."""
    return _name_of(_owner_id(postmaster))


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _server_of(postmaster: Postmaster) -> Server:
    settings = _settings(postmaster)
    version = _version(postmaster)
    major, _, minor = version.partition(".")
    return Server(
        host=clean(str(postmaster.socket_folder)),
        port=postmaster.port,
        database="",
        version_num=int(major) * 10000 + (int(minor) if minor.isdigit() else 0),
        version=version,
        in_recovery=(postmaster.data_folder / "standby.signal").exists(),
        pooled=False,
        role=f"OS user {_name_of(os.geteuid())}",
        superuser=True,
        sees_all=True,
        can_signal=True,
        uses_reserved=False,
        own_pid=0,
        max_connections=settings.get("max_connections", 0),
        superuser_reserved=settings.get("superuser_reserved_connections", 0),
        reserved=settings.get("reserved_connections", 0),
        provider_reserved=MappingProxyType({}),
        max_wal_senders=settings.get("max_wal_senders", 0),
        door=HOST_DOOR,
        started_at=boot_time() + postmaster.started / ticks_per_second(),
    )


def _version(postmaster: Postmaster) -> str:
    text = _ask(postmaster, "--version").rpartition(") ")[2].split(" ")[0].strip()
    return text if text[:1].isdigit() else (postmaster.data_folder / "PG_VERSION").read_text("ascii").strip()


def _settings(postmaster: Postmaster) -> Mapping[str, int]:
    """What the running server was started with; a name that it does not know is left out."""
    try:
        options = shlex.split((postmaster.data_folder / "postmaster.opts").read_text("utf-8", "surrogateescape"))[1:]
    except (OSError, ValueError):
        options = ["-D", str(postmaster.data_folder)]
    found = {}
    for name in _SETTINGS:
        value = _ask(postmaster, "-C", name, *options).strip()
        if value.isdigit():
            found[name] = int(value)
    return found


def _ask(postmaster: Postmaster, *arguments: str) -> str:
    """Run the server's own program for a question that it answers and ends; "" when it doesn't."""
    try:
        answer = subprocess.run(
            [Path(f"/proc/{postmaster.pid}/exe").readlink(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASKING_S,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace")
