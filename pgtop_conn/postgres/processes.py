"""Processes of a server on this host (Linux): found by the server's own lock file, and never mistaken for others."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One look at one process. `started` is in clock ticks since the machine's boot: the identity of a pid."""

    pid: int
    parent: int
    started: int
    #: As it stands there, bytes of any encoding.
    title: bytes


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The first process of a server, and where it lives."""

    pid: int
    started: int
    data_folder: Path
    socket_folder: Path
    port: int


def look(pid: int) -> Process | None:
    """None when there is no such process, or it is none of a program (a zombie has no title)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
        title = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, parentheses too.
    fields = stat.rpartition(b")")[2].split()
    if len(fields) < 20 or not title:
        return None
    return Process(pid, int(fields[1]), int(fields[19]), title.rstrip(b"\0 "))


def children(parent: int) -> Iterator[Process]:
    """Every child process; those that begin or end meanwhile may be missing."""
    for entry in os.scandir(_PROC):
        if entry.name.isdigit() and (process := look(int(entry.name))) is not None and process.parent == parent:
            yield process


def boot_time() -> float:
    """When the machine was started, seconds since the epoch."""
    for line in (_PROC / "stat").read_text("ascii", "replace").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def ticks_per_second() -> int:
    """The unit of Process.started."""
    return os.sysconf("SC_CLK_TCK")


def postmaster_at(socket_folder: Path, port: int) -> Postmaster | None:
    """The server whose socket is there, by the lock file beside it; None when there is none, or it has died."""
    try:
        lines = (socket_folder / f".s.PGSQL.{port}.lock").read_text("utf-8", "surrogateescape").splitlines()
        pid, data_folder = int(lines[0]), Path(lines[1])
        first = int((data_folder / "postmaster.pid").read_text("utf-8", "surrogateescape").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    process = look(pid)
    if process is None or abs(first) != pid:
        return None
    return Postmaster(pid, process.started, data_folder, socket_folder, port)


def postmasters(folders: tuple[str, ...]) -> list[Postmaster]:
    """Every server with a socket in one of these folders."""
    found: dict[int, Postmaster] = {}
    for folder in folders:
        for lock in sorted(Path(folder).glob(".s.PGSQL.*.lock")):
            port = lock.name.removeprefix(".s.PGSQL.").removesuffix(".lock")
            server = postmaster_at(Path(folder), int(port)) if port.isdecimal() else None
            if server is not None:
                found.setdefault(server.pid, server)
    return list(found.values())


def send(target: Process, number: signal.Signals) -> str:
    """Signal exactly this process: '' when the signal was sent, otherwise why it was not.

    The descriptor is opened first, then everything is looked at again: an open one can't be recycled with its pid.
    """
    try:
        descriptor = os.pidfd_open(target.pid)
    except OSError as error:
        return "gone" if error.errno == errno.ESRCH else f"{error.strerror}"
    try:
        now = look(target.pid)
        if now is None or (now.started, now.parent) != (target.started, target.parent):
            return "gone"
        if now.title != target.title:
            return "changed"
        signal.pidfd_send_signal(descriptor, number)
    except OSError as error:
        return "gone" if error.errno == errno.ESRCH else f"{error.strerror}"
    finally:
        os.close(descriptor)
    return ""
