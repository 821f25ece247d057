"""Processes of a server on this host (Linux): found by its own files, and never mistaken for others.

Another user may have put files where a server's are looked for, so what a file says of a process counts only when the
process owns it and works in the folder that it names.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

PROC = Path("/proc")
#: Longer than any lock file, or set of options, of a server.
_MOST_BYTES = 65536
#: What the program of a server is called, by the kernel.
_NAMES = ("postgres", "postmaster", "edb-postgres")
#: Where stat() has the parent and the moment of the start, counted behind the name; and where arguments and environment
#: begin and end, which is 0 where we may not look.
_PARENT, _STARTED = 1, 19
_ARGUMENTS = slice(45, 49)
#: The first process of a container, or of the machine: what loses its parent becomes its child.
_INIT = 1


@dataclass(frozen=True, slots=True)
class Process:
    """One look at one process. `started` is in clock ticks since the machine's boot: the identity of a pid."""

    pid: int
    parent: int
    started: int
    #: As it stands there, bytes of any encoding.
    title: bytes
    #: How often it went to sleep, or was put aside: unchanged means that it has done nothing meanwhile.
    switches: int = 0
    #: The numbers of its users: real, effective, saved, of its files. They differ in a program that is setuid.
    users: tuple[int, ...] = ()
    #: Device and inode of its program and of the folder it works in; None where we may not look.
    program: tuple[int, int] | None = None
    folder: tuple[int, int] | None = None
    #: What the kernel calls it, which it may change.
    name: str = ""
    #: Whether its title may go on: it fills the room that arguments and environment have left it.
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The first process of a server, and where it lives."""

    pid: int
    started: int
    #: The number of the OS user it runs as.
    owner: int
    data_folder: Path
    socket_folder: Path
    port: int
    #: Whether it listens on TCP.
    tcp: bool = False


def look(pid: int) -> Process | None:
    """None when there is no such process, or it is none of a program (a zombie has no title)."""
    fields = _stat(pid)
    if fields is None:
        return None
    try:
        title = (PROC / str(pid) / "cmdline").read_bytes()
        status = (PROC / str(pid) / "status").read_bytes()
    except OSError:
        return None
    if not title:
        return None
    counted = [line.rpartition(b":")[2] for line in status.splitlines() if b"ctxt_switches:" in line]
    switches = sum(int(count) for count in counted if count.strip().isdigit())
    users = next((line.split()[1:] for line in status.splitlines() if line.startswith(b"Uid:")), [])
    return Process(
        pid,
        int(fields[_PARENT]),
        int(fields[_STARTED]),
        title.rstrip(b"\0 "),
        switches,
        users=tuple(map(int, users)),
        program=_inode(pid, "exe"),
        folder=_inode(pid, "cwd"),
        name=_name(pid),
        # The kernel pads a title that is shorter than the arguments were. The last two bytes are never written.
        cut_off=len(title.rstrip(b"\0")) >= (_room(fields) or len(title)) - 2,
    )


def _inode(pid: int, link: str) -> tuple[int, int] | None:
    try:
        found = (PROC / str(pid) / link).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _room(fields: list[bytes]) -> int:
    """Bytes of arguments and environment, where a title is written; 0 where we may not know."""
    places = list(map(int, fields[_ARGUMENTS]))
    if len(places) < 4 or not all(places):
        return 0
    arguments, behind, environment, end = places
    return (end if environment == behind else behind) - arguments


def is_of(process: Process, first: Process, owner: int) -> bool | None:
    """Whether a server's first process made this one; None where that can't be told.

    A parent alone proves nothing: in a container the server may be the first process of all, and every orphan becomes
    its child, other users' and setuid programs too, with whatever title they gave themselves.
    """
    if process.parent != first.pid or process.started < first.started or process.users != (owner,) * 4:
        return False
    if process.program is not None and first.program is not None and process.folder is not None:
        return (process.program, process.folder) == (first.program, first.folder)
    # We have another group than the server's, and only the parent to go by.
    if process.name != first.name:
        return False
    return True if _inner_pid(first.pid) != _INIT else None


def _stat(pid: int) -> list[bytes] | None:
    """The fields behind the name, which may hold anything, parentheses too."""
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _STARTED else None


def _pids() -> Iterator[int]:
    for entry in os.scandir(PROC):
        if entry.name.isdigit():
            yield int(entry.name)


def children(parent: int) -> Iterator[Process]:
    """Every child process; those that begin or end meanwhile may be missing."""
    for pid in _pids():
        fields = _stat(pid)
        if fields is not None and int(fields[_PARENT]) == parent:
            process = look(pid)
            if process is not None and process.parent == parent:
                yield process


def boot_time() -> float:
    """When the machine was started, seconds since the epoch."""
    for line in (PROC / "stat").read_text("ascii", "replace").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def ticks_per_second() -> int:
    """The unit of Process.started."""
    return os.sysconf("SC_CLK_TCK")


def postmaster_at(socket_folder: Path, port: int) -> Postmaster | None:
    """The server whose socket is there, by the lock file beside it; None when there is none, or it has died."""
    lines, owner = lines_of(socket_folder / f".s.PGSQL.{port}.lock")
    if len(lines) < 2 or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    # With another group than the server's we may not see where it works, and its files say the same.
    found = _postmaster(pid) or _postmaster(pid, Path(lines[1]))
    if found is None or (found.owner, found.port) != (owner, port) or not _is_same(Path(lines[1]), found.data_folder):
        # One that died left its lock file behind, and another server of this user's has its pid now.
        return None
    return replace(found, socket_folder=socket_folder)


def successor(before: Postmaster) -> Postmaster | None:
    """The same server, started again, also where it listens on TCP alone; None while there is none."""
    at_socket = postmaster_at(before.socket_folder, before.port) if before.socket_folder.is_absolute() else None
    same = (one for one in postmasters() if (one.data_folder, one.owner) == (before.data_folder, before.owner))
    return at_socket or next(same, None)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def postmasters() -> list[Postmaster]:
    """Every server whose files we may read: our own, and as root everybody's."""
    return [found for pid in _pids() if (found := _postmaster(pid)) is not None]


def others() -> list[str]:
    """The first processes of servers that are none of postmasters(), and why, in words."""
    known = {one.pid for one in postmasters()}
    named = {pid for pid in _pids() if _name(pid) in _NAMES}
    told = []
    for pid in sorted(named - known):
        fields = _stat(pid)
        if fields is None or int(fields[_PARENT]) in named:
            continue
        owner = owner_of(pid)
        if os.geteuid() not in (0, owner):
            told.append(f"process {pid} of another OS user (number {owner})")
        elif _inner_pid(pid) != pid:
            told.append(f"process {pid} in a container: go in there")
    return told


def owner_of(pid: int) -> int:
    """The number of a process's OS user; nobody's number, -1, when it has just ended."""
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return -1


def _postmaster(pid: int, told: Path | None = None) -> Postmaster | None:
    """The server that this is the first process of: it works in a folder of its own with its lock file in it.

    `told` is where another file of its owner says that it works.
    """
    folder = told or PROC / str(pid) / "cwd"
    lines, owner = lines_of(folder / "postmaster.pid")
    process = look(pid) if lines[:1] == [str(pid)] and len(lines) >= 6 else None
    if process is None or owner != owner_of(pid) or not lines[3].strip().isdigit():
        return None
    try:
        data_folder = told or folder.readlink()
    except OSError:
        return None
    port, sockets, listens = int(lines[3]), Path(lines[4]), bool(lines[5].strip())
    return Postmaster(pid, process.started, owner, data_folder, sockets, port, listens)


def lines_of(path: Path) -> tuple[list[str], int]:
    """The lines of a regular file and its owner; none of what is no such file, which might keep us waiting."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return [], -1
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return [], -1
        text = os.read(descriptor, _MOST_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return [], -1
    finally:
        os.close(descriptor)
    return text.splitlines(), found.st_uid


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _inner_pid(pid: int) -> int:
    """What the process itself takes for its pid; another one in a container."""
    try:
        lines = (PROC / str(pid) / "status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return pid
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), pid)


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
        if now != target:
            return "changed"
        signal.pidfd_send_signal(descriptor, number)
    except OSError as error:
        return "gone" if error.errno == errno.ESRCH else f"{error.strerror}"
    finally:
        os.close(descriptor)
    return ""
