"""What /proc tells of processes: CPU time in nanoseconds, memory, children, and the server's processes behind them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
#: Fields of /proc/PID/stat behind the command's name: CPU ticks of the children that were waited for.
CHILDREN_USER, CHILDREN_SYSTEM = 13, 14
MEGABYTE_KB = 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The PostgreSQL server that the programs look at."""

    port: int
    postmaster_pid: int


def _read(path: Path) -> str:
    """Empty where there is no such process any more."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def process_tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        if (PROC / str(one)).exists():
            found.append(one)
        for task in _entries(PROC / str(one) / "task"):
            waiting += map(int, _read(task / "children").split())
    return found


def cpu_ns(pid: int) -> int:
    """On-CPU time of all living threads, by the scheduler's accounts and not by its 10 ms ticks."""
    times = [_read(task / "schedstat").split() for task in _entries(PROC / str(pid) / "task")]
    return sum(int(one[0]) for one in times if one)


def reaped_ns(pid: int) -> int:
    """CPU time of the children that have ended and were waited for; 10 ms ticks."""
    parts = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    if not parts:
        return 0
    ticks = int(parts[CHILDREN_USER]) + int(parts[CHILDREN_SYSTEM])
    return ticks * 1_000_000_000 // CLOCK_TICKS


def server_processes(pids: Iterable[int], port: int) -> list[int]:
    """The server's processes at the other end of TCP connections of `pids`, by their titles."""
    inodes = set(_socket_inodes(pids))
    locals_ = set()
    for table in ("tcp", "tcp6"):
        for line in _read(PROC / "net" / table).splitlines()[1:]:
            columns = line.split()
            if columns[9] in inodes and _port(columns[2]) == port:
                locals_.add(str(_port(columns[1])))
    if not locals_:
        return []
    wanted = re.compile(r"\((?:" + "|".join(sorted(locals_)) + r")\)")
    every = (int(entry.name) for entry in _entries(PROC) if entry.name.isdigit())
    titles = ((pid, _read(PROC / str(pid) / "cmdline")[:200]) for pid in every)
    return [pid for pid, title in titles if title.startswith("postgres:") and wanted.search(title)]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _socket_inodes(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        for entry in _entries(PROC / str(pid) / "fd"):
            try:
                target = str(entry.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]


def rss_mb(pids: Iterable[int]) -> float:
    """Resident memory of the processes together."""
    lines = (line for pid in pids for line in _read(PROC / str(pid) / "status").splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / MEGABYTE_KB


def machine_busy() -> tuple[int, int]:
    """CPU ticks of the whole machine: those that were worked, and all."""
    ticks = [int(one) for one in _read(PROC / "stat").partition("\n")[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU counters of a program's processes and of its side of the server, at one moment."""

    pids: tuple[int, ...]
    client_ns: dict[int, int] = field(repr=False)
    reaped_ns: int
    backend_ns: dict[int, int] = field(repr=False)
    #: Of the postmaster: its forks, and the sessions that have ended.
    postmaster_ns: int
    busy: tuple[int, int]
    #: On the harness's clock: when reading began and ended, which takes some milliseconds.
    began: float
    ended: float


def usage_of(pid: int, server: Server | None) -> Usage:
    """Read the counters now."""
    began = time.perf_counter()
    pids = tuple(process_tree(pid))
    client = {one: cpu_ns(one) for one in pids}
    reaped, busy = reaped_ns(pid), machine_busy()
    backends, postmaster = {}, 0
    if server is not None:
        backends = {one: cpu_ns(one) for one in server_processes(pids, server.port)}
        postmaster = cpu_ns(server.postmaster_pid) + reaped_ns(server.postmaster_pid)
    return Usage(pids, client, reaped, backends, postmaster, busy, began, time.perf_counter())


def spent(before: Usage, after: Usage) -> dict[str, float]:
    """What happened between two readings; milliseconds of CPU, and how busy the whole machine was."""
    client = sum(now - before.client_ns.get(pid, 0) for pid, now in after.client_ns.items())
    backend = sum(now - before.backend_ns.get(pid, 0) for pid, now in after.backend_ns.items())
    worked, every = (now - then for now, then in zip(after.busy, before.busy, strict=True))
    return {
        "window_s": after.began - before.ended,
        "cpu_ms": (client + after.reaped_ns - before.reaped_ns) / 1e6,
        "server_ms": (backend + after.postmaster_ns - before.postmaster_ns) / 1e6,
        "machine_busy_percent": 100 * worked / max(1, every),
    }
