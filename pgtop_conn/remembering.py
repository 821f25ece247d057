"""Remembered: a Source that writes down which roles of a server are superusers or replicate, and passes polls on.

The host door has only names to go by; these are what it protects when the server can't be asked any more.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pgtop_conn.model.facts import Facts
from pgtop_conn.model.snapshot import HOST_DOOR, Role, Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Target

log = logging.getLogger(__name__)

FILE = "privileged-roles.json"
_LOCAL = ("localhost", "127.0.0.1", "::1")


def place(host: str, port: int) -> str:
    """What a server is called in the file; one on this machine is the same by socket and by loopback."""
    return f"local:{port}" if host.startswith("/") or host in _LOCAL else f"{host}:{port}"


def recall(folder: Path, places: Sequence[str]) -> frozenset[str]:
    """Every name that was seen at one of these places; none when nothing was written down."""
    known = _read(folder / FILE)
    return frozenset(name for one in places for name in known.get(one, ()))


class Remembered:
    """A Source around another one. A file that can't be written is logged and changes nothing else."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._roles: Mapping[int, Role] | None = None

    async def poll(self) -> Snapshot:
        """Poll; whenever the roles were read anew, write down those with rights."""
        snapshot = await self._source.poll()
        if snapshot.roles is not self._roles and snapshot.server.door != HOST_DOOR:
            self._roles = snapshot.roles
            self._remember(snapshot)
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
        where = place(snapshot.server.host, snapshot.server.port)
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
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        where: names
        for where, names in found.items()
        if isinstance(names, list) and all(isinstance(name, str) for name in names)
    }
