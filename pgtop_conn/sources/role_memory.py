"""RoleMemory: a Source that writes down which roles of a server are superusers or replicate, and passes polls on.

The host door has only names to go by; these are what it protects when the server can't be asked any more.
No server can take the room of another one's names, and a file that can't be read is kept beside a new one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from pgtop_conn import private_files
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.facts import Facts
from pgtop_conn.model.snapshot import HOST_DOOR, Role, Snapshot
from pgtop_conn.model.source import Action, Outcome, Source, Target
from pgtop_conn.model.text import clean

log = logging.getLogger(__name__)

FILE = "privileged-roles.json"
#: Bytes of the names of one server. Of one with more, every role is protected.
MOST_OF_A_SERVER = 256 * 1024
#: Servers that are remembered; those of other machines give way first, the oldest before the others.
MOST_SERVERS = 200
#: More than all of them together take.
_MOST_BYTES = 96 * 1024 * 1024
#: Stands in the file for every name there is. No role is called so.
_EVERY = ""


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


class Everybody(frozenset[str]):
    """Every name there is: for a server of which it is not known which ones are privileged."""

    def __contains__(self, _name: object) -> bool:
        return True

    def __or__(self, _other: object) -> Everybody:
        return self


class Unreadable(PgtopError):
    """The file is there, and what it says can't be told; the message has its path and the reason."""


def recall(folders: Sequence[Path], port: int) -> frozenset[str]:
    """Every name that was seen on the server of this machine at this port; none when nothing was written down.

    Everybody where a file can't be read: who is protected by it is not known.
    """
    names: set[str] = set()
    for folder in folders:
        try:
            names.update(_read(folder / FILE).get(local(port), ()))
        except Unreadable as error:
            log.warning("%s: every role is protected", error)
            return Everybody()
    return Everybody() if _EVERY in names else frozenset(names)


def trouble(folders: Sequence[Path]) -> str:
    """What is to be said of files that can't be read; '' when all can be, or are not there."""
    said = []
    for folder in folders:
        try:
            _read(folder / FILE)
        except Unreadable as error:
            said.append(str(error))
    return "; ".join(said)


class RoleMemory:
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

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Pass it on."""
        self._source.settle(action, outcome)

    async def facts(self) -> Facts:
        """Pass the question on."""
        return await self._source.facts()

    async def close(self) -> None:
        """End the session."""
        await self._source.close()

    def _remember(self, snapshot: Snapshot) -> None:
        at = (snapshot.server.host, snapshot.server.port)
        where = self._places[at] = self._places.get(at) or place(*at)
        privileged = (r for r in snapshot.roles.values() if r.superuser or r.replication or r.replication_member)
        seen = {role.name for role in privileged if role.name}
        path = self._folder / FILE
        try:
            known = self._known(path)
            # A role keeps its protection when it loses its rights, and so does one of another server at the same place.
            if _EVERY in known.get(where, ()) or not seen - set(known.get(where, ())):
                return
            private_files.make_folder(self._folder)
            private_files.replace(path, json.dumps(_with(known, where, seen), ensure_ascii=False, indent=1))
        except OSError as error:
            log.warning("%s was not written: %s", path, error.strerror or error)

    def _known(self, path: Path) -> dict[str, list[str]]:
        try:
            return _read(path)
        except Unreadable as error:
            log.warning("%s: it is kept as %s, and a new one is begun", error, private_files.set_aside(path).name)
            return {}


def _with(known: Mapping[str, list[str]], where: str, seen: Set[str]) -> dict[str, list[str]]:
    """The file's content with what was seen of one server, within the bounds."""
    found = {place: _bounded(set(names)) for place, names in known.items() if place != where}
    for other in sorted(found, key=lambda place: place.startswith(local(0)[:-1])):
        if len(found) < MOST_SERVERS:
            break
        del found[other]
    found[where] = _bounded(seen | set(known.get(where, ())))
    return found


def _bounded(names: Set[str]) -> list[str]:
    size = sum(len(name.encode("utf-8", "replace")) + 6 for name in names)
    return [_EVERY] if _EVERY in names or size > MOST_OF_A_SERVER else sorted(names)


def _read(path: Path) -> dict[str, list[str]]:
    """What the file says; nothing when it is not there. Raises Unreadable."""
    try:
        found = json.loads(private_files.read(path, _MOST_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unreadable(f"{clean(str(path))} can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(map(_is_names, found.values())):
        raise Unreadable(f"{clean(str(path))} is damaged")
    return found


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
