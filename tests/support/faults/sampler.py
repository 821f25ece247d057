"""Eyes from outside: how many sessions of pgtop-conn the servers have, and how many connections the kernel has.

Sessions are read over a superuser's own connection, from the function below pg_stat_activity, which no lock on a
catalog of roles stops. Connections are read from /proc/net/tcp: those of the monitor that are open or being opened; one
that it has closed, whatever the other end does with it, is in another state there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME
from tests.support.servers import Connection
from tests.support.waits import HANG_S

EVERY_S = 0.02
#: Samples should not be further apart; on a busy machine some are.
LATE_S = 0.05
#: Those that an event loop has for itself.
EVENT_LOOP_SOCKETS = 2
#: States of /proc/net/tcp.
_OPEN = frozenset({"01", "02"})
_SESSIONS = """
SELECT coalesce(array_agg(pid ORDER BY backend_start), '{}') FROM pg_stat_get_activity(NULL) WHERE application_name = $1
"""


def connections_to(ports: Sequence[int]) -> int:
    """How many connections to these ports on 127.0.0.1 are open or being opened, seen from their client's side."""
    return len(_open_to(ports))


def _open_to(ports: Sequence[int]) -> dict[str, str]:
    """State and queues of each by its local address and inode."""
    wanted = {f"0100007F:{port:04X}" for port in ports}
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return {f"{row[1]} {row[9]}": f"{row[3]} {row[4]}" for row in rows if row[2] in wanted and row[3] in _OPEN}


def sockets_of(pid: int) -> int:
    """How many sockets a process has; that is told much faster than what they are connected to (0.1 against 5 ms)."""
    count = 0
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                count += str(entry.readlink()).startswith("socket:")
    return count


@dataclass(slots=True)
class Seen:
    """What was sampled during one kind of fault."""

    instants: int = 0
    most_sessions: int = 0
    most_connections: int = 0
    #: Instants with two sessions of ours on the server of which we were connected to one at most, and the longest run.
    abandoned: int = 0
    abandoned_longest_s: float = 0.0
    #: The first of these: port and pids.
    example: str = ""
    #: Samples that were further apart than they should be while a server answered.
    gap_longest_s: float = 0.0
    late: int = 0


@dataclass(slots=True)
class _Eye:
    """One server's: its connection, and the sessions seen last."""

    cluster: Cluster
    connection: Connection | None = None
    pids: list[int] = field(default_factory=list)
    #: Seen in the look before that one.
    before: list[int] = field(default_factory=list)
    looked_at: float = 0.0


class Sampler:
    """Looks every EVERY_S at `clusters`, which answer for `ports`; `kind` names what its samples are counted under."""

    def __init__(self, clusters: Sequence[Cluster], ports: Sequence[int]) -> None:
        self._eyes = [_Eye(cluster) for cluster in clusters]
        self._ports = tuple(ports)
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._looking, self._done = threading.Event(), threading.Event()
        self._since_two: float | None = None
        self.kind = "none"
        #: The monitor's process, once it has started.
        self.monitor: int | None = None
        self.seen: dict[str, Seen] = {}
        #: Sets of more sessions than two, or of two connections: what must never be.
        self.wrong: Counter[str] = Counter()
        #: What two connections at once looked like to the kernel, by kind of fault.
        self.examples: dict[str, str] = {}

    async def start(self) -> None:
        """In a thread of its own: an emulated screen that is being drawn must not delay a sample."""
        self._thread.start()
        await asyncio.to_thread(self._looking.wait, HANG_S)

    async def stop(self) -> None:
        self._done.set()
        await asyncio.to_thread(self._thread.join, HANG_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch_all())
        finally:
            if not self._done.is_set():
                self.wrong["the sampler itself failed"] += 1

    async def _watch_all(self) -> None:
        for eye in self._eyes:
            await self._look(eye)
        self._looking.set()
        try:
            await asyncio.gather(*(self._watch(eye) for eye in self._eyes))
        finally:
            for eye in self._eyes:
                if eye.connection is not None:
                    eye.connection.terminate()

    def pids(self) -> list[int]:
        """Our sessions, as seen last."""
        return [pid for eye in self._eyes for pid in eye.pids]

    def own_pids(self) -> list[int]:
        """The backends that serve the sampler itself: not to be stopped, or it sees nothing."""
        return [eye.connection.get_server_pid() for eye in self._eyes if eye.connection is not None]

    async def _watch(self, eye: _Eye) -> None:
        while not self._done.is_set():
            began = time.monotonic()
            await self._look(eye)
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - began)))

    async def _look(self, eye: _Eye) -> None:
        try:
            if eye.connection is None or eye.connection.is_closed():
                eye.pids, eye.looked_at = [], 0.0
                eye.connection = await asyncpg.connect(
                    eye.cluster.uri(), timeout=5, server_settings={"application_name": "sampler"}
                )
            eye.before, eye.pids = (
                eye.pids,
                await eye.connection.fetchval(_SESSIONS, OWN_APPLICATION_NAME, timeout=30),
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError):
            if eye.connection is not None:
                eye.connection.terminate()
            eye.connection, eye.pids, eye.looked_at = None, [], 0.0
            return
        self._count(eye)

    def _count(self, eye: _Eye) -> None:
        now = time.monotonic()
        seen = self.seen.setdefault(self.kind, Seen())
        if eye.looked_at:
            seen.gap_longest_s = max(seen.gap_longest_s, now - eye.looked_at)
            seen.late += now - eye.looked_at > LATE_S
        eye.looked_at = now
        # The other server was looked at between our last two looks: who was in both of these was there at that instant.
        lasting = len(set(eye.before) & set(eye.pids))
        others = sum(len(other.pids) for other in self._eyes if other is not eye)
        sessions, connections = max(len(eye.pids), lasting + others), self._connections()
        seen.instants += 1
        seen.most_sessions = max(seen.most_sessions, sessions)
        seen.most_connections = max(seen.most_connections, connections)
        if connections > 1:
            self.wrong[f"{self.kind}: {connections} connections at once"] += 1
        if sessions > 2:
            self.wrong[f"{self.kind}: {sessions} sessions at once"] += 1
        if sessions > 1:
            seen.example = seen.example or ", ".join(f"{eye.cluster.port}: {eye.pids}" for eye in self._eyes)
            seen.abandoned += 1
            self._since_two = self._since_two or now
            seen.abandoned_longest_s = max(seen.abandoned_longest_s, now - self._since_two)
        else:
            self._since_two = None

    def _connections(self) -> int:
        if self.monitor is None:
            return 0
        sockets = sockets_of(self.monitor) - EVENT_LOOP_SOCKETS
        if sockets <= 1:
            return max(0, sockets)
        # The file is not read in one instant: one closed and one opened meanwhile would both be in it.
        first, second = _open_to(self._ports), _open_to(self._ports)
        found = sorted(first.keys() & second.keys())
        if len(found) > 1:
            self.examples.setdefault(self.kind, "; ".join(f"{one}: {second[one]}" for one in found))
        return len(found)


async def reach(cluster: Cluster, user: str = "postgres", app: str = "administrator") -> Connection:
    """A session of another program; tried again while the server comes back."""
    deadline = time.monotonic() + HANG_S
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
            found: Connection = await asyncpg.connect(
                cluster.uri(user=user), timeout=5, server_settings={"application_name": app}
            )
            return found
        assert time.monotonic() < deadline, "no server came back"
        await asyncio.sleep(0.05)
