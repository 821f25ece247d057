"""The database's host, when it is this one (Linux): the server's first process, and the memory of its backends."""

from __future__ import annotations

import ipaddress
import re
import socket
import statistics
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pgtop_conn.model.facts import Memory

#: A look at one backend's memory walks its page tables: few of them, and not for long.
MOST_BACKENDS = 50
MOST_S = 1.0
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_KIB = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


class Elsewhere(Exception):
    """The server is not, or not visibly, on this host; the message says why, in words for the user."""


def postmaster_of(endpoint: socket.socket | None, backend: int) -> int:
    """The pid of the server's first process, given our connection and the pid of its backend. Raises Elsewhere.

    The process of that pid must be a PostgreSQL backend that serves this very connection: another server behind a
    tunnel or a published port has a process of that pid elsewhere.
    """
    if not sys.platform.startswith("linux"):
        raise Elsewhere("the host can be looked at on Linux alone")
    if endpoint is None:
        raise Elsewhere("the connection does not tell where the server is")
    serves = _local_mark(endpoint)
    title = _title(backend)
    if not title.startswith("postgres: "):
        raise Elsewhere("the server's processes are not visible from here: it runs in a container, or on another host")
    if serves not in title:
        raise Elsewhere("the process of our backend's pid on this host serves another connection")
    postmaster = parent_of(backend)
    # In a container the server may be the first process; elsewhere that is another program, which took in an orphan.
    if postmaster is None or postmaster < 1 or not _same_program(postmaster, backend):
        raise Elsewhere("the parent of our backend is no PostgreSQL server")
    if endpoint.family == socket.AF_UNIX and _listener(endpoint) != postmaster:
        raise Elsewhere("the socket belongs to another process than the server")
    return postmaster


def _local_mark(endpoint: socket.socket) -> str:
    """What the title of our backend holds when it is on this host."""
    try:
        if endpoint.family == socket.AF_UNIX:
            return "[local]"
        ours, theirs = endpoint.getsockname(), endpoint.getpeername()
    except OSError:
        raise Elsewhere("the connection does not tell where the server is") from None
    if not ipaddress.ip_address(theirs[0].partition("%")[0]).is_loopback and ours[0] != theirs[0]:
        raise Elsewhere("the server is on another host")
    return f"({ours[1]})"


def _listener(endpoint: socket.socket) -> int:
    """Who listens on a Unix socket: Linux tells the process that called listen()."""
    try:
        pid, _, _ = struct.unpack("3i", endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except OSError:
        return 0
    return int(pid)


def _title(pid: int) -> str:
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode("utf-8", errors="replace")


def _same_program(one: int, other: int) -> bool:
    """By their files; by what the kernel calls them where we may not look at those."""
    try:
        return (_PROC / str(one) / "exe").samefile(_PROC / str(other) / "exe")
    except OSError:
        name = _command(one)
        return name is not None and name == _command(other)


def _command(pid: int) -> str | None:
    try:
        return (_PROC / str(pid) / "comm").read_text("utf-8", "replace")
    except OSError:
        return None


def parent_of(pid: int) -> int | None:
    """None when there is no such process, or it is hidden from us."""
    try:
        # The name in parentheses may hold anything, parentheses too.
        return int((_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def read_memory(postmaster: int, clients: Sequence[int]) -> Memory:
    """Of the machine and of a sample of these backends. Blocks for about a second at most. Raises Elsewhere."""
    machine = _kib(_PROC / "meminfo")
    if "MemTotal" not in machine or "MemAvailable" not in machine:
        raise Elsewhere("this machine does not tell its memory")
    total, available = machine["MemTotal"], machine["MemAvailable"]
    for limit, used in _limits(postmaster):
        total, available = min(total, limit), min(available, max(0, limit - used))
    sizes, ends = list[int](), time.monotonic() + MOST_S
    step = max(1, -(-len(clients) // MOST_BACKENDS))
    for pid in sorted(clients)[::step]:
        if time.monotonic() > ends:
            break
        size = _private(pid, postmaster)
        if size is not None:
            sizes.append(size)
    return Memory(
        total=total,
        available=available,
        per_backend=int(statistics.median(sizes)) if sizes else 0,
        measured=len(sizes),
        largest=max(sizes, default=0),
    )


def _kib(path: Path) -> dict[str, int]:
    """Lines "Name: 123 kB" in bytes; empty where it can't be read."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return {}
    return {name: int(size) * 1024 for name, size in _KIB.findall(text)}


def _private(pid: int, postmaster: int) -> int | None:
    """Private memory of one backend; None when it has ended meanwhile.

    Private_Clean and Private_Dirty would count shared buffers that no other process has touched, so the anonymous pages
    are taken: in proportion where we may look (the same user, or root), otherwise whole.
    """
    folder = _PROC / str(pid)
    told, detail = _kib(folder / "status"), _kib(folder / "smaps_rollup")
    # A pid may have been given to another process since the server named it.
    if parent_of(pid) != postmaster or "RssAnon" not in told:
        return None
    anonymous = detail.get("Pss_Anon", told["RssAnon"])
    swapped = detail.get("SwapPss", told.get("VmSwap", 0))
    return anonymous + swapped + told.get("VmPTE", 0)


def _limits(pid: int) -> Iterator[tuple[int, int]]:
    """(limit, used) of each control group around a process, in bytes; used without the cache that gives way."""
    try:
        lines = (_PROC / str(pid) / "cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            yield from _walk(_CGROUPS, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _walk(_CGROUPS / "memory", path, *names)


def _walk(root: Path, path: str, limit: str, used: str, cache: str) -> Iterator[tuple[int, int]]:
    """From the group up to the root; inside a container the group may show as the root."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        folder = root.joinpath(*parts[:count])
        most = _number(folder / limit)
        if most is not None:
            yield most, max(0, (_number(folder / used) or 0) - _stat(folder / "memory.stat", cache))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _stat(path: Path, name: str) -> int:
    try:
        words = [line.split() for line in path.read_text("ascii", "replace").splitlines()]
    except OSError:
        return 0
    return next((int(word[1]) for word in words if word[:1] == [name] and len(word) == 2), 0)
