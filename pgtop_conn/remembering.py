"""Remembered: a Source that writes down which roles of a server are superusers or replicate, and passes polls on.

The host door has only names to go by; these are what it protects when the server can't be asked any more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pgtop_conn.model.facts import Facts
from pgtop_conn.model.snapshot import HOST_DOOR, Role, Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Target

log = logging.getLogger(__name__)

FILE = "privileged-roles.json"
#: A file of ours is far shorter.
_MOST_BYTES = 4 * 1024 * 1024


def local(port: int) -> str:
    """What a server on this machine is called in the file, however it was reached."""
    return f"local:{port}"


def place(host: str, port: int) -> str:
    """What a server is called in the file. Blocks for as long as it takes to look a name up."""
    return local(port) if host.startswith(("/", "@")) or _is_ours(host) else f"{host}:{port}"


def _is_ours(host: str) -> bool:
    """Whether this machine has the address: only then may a socket be bound to it."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as one:
                one.bind(address)
        except OSError:
            continue
        return True
    return False


def recall(folders: Sequence[Path], port: int) -> frozenset[str]:
    """Every name that was seen on the server of this machine at this port; none when nothing was written down."""
    return frozenset(name for folder in folders for name in _read(folder / FILE).get(local(port), ()))


class Remembered:
    """A Source around another one. A file that can't be written is logged and changes nothing else."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._roles: Mapping[int, Role] | None = None
        #: Looked up once.
        self._places: dict[tuple[str, int], str] = {}

    async def poll(self) -> Snapshot:
        """Poll; whenever the roles were read anew, write down those with rights."""
        snapshot = await self._source.poll()
        if snapshot.roles is not self._roles and snapshot.server.door != HOST_DOOR:
            self._roles = snapshot.roles
            await asyncio.to_thread(self._remember, snapshot)
        return snapshot

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """Pass it on."""
        return await self._source.signal(action, targets)

    async def facts(self) -> Facts:
        """Pass the question on."""
        return await self._source.facts()

    async def close(self) -> None:
        """End the session."""
        await self._source.close()

    def _remember(self, snapshot: Snapshot) -> None:
        at = (snapshot.server.host, snapshot.server.port)
        where = self._places[at] = self._places.get(at) or place(*at)
        seen = {r.name for r in snapshot.roles.values() if r.superuser or r.replication or r.replication_member}
        known = _read(self._folder / FILE)
        # A role keeps its protection when it loses its rights, and so does one of another server at the same place.
        if not seen - set(known.get(where, ())):
            return
        known[where] = sorted(seen | set(known.get(where, ())))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=FILE)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                json.dump(known, file, ensure_ascii=False, indent=1)
            Path(name).replace(self._folder / FILE)
        except OSError as error:
            log.warning("%s was not written: %s", self._folder / FILE, error)


def _read(path: Path) -> dict[str, list[str]]:
    """What the file says; nothing when it is not there, or is none of ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # Behind sudo it is another user's, who may have put anything there.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        where: names
        for where, names in found.items()
        if isinstance(names, list) and all(isinstance(name, str) for name in names)
    }
