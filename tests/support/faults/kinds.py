"""The faults. Each is done and undone by one function; what it returns must be on the screen after it.

Add a fault: an async function of a Ground, and one line in KINDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import asyncpg

from tests.support.faults.network import Proxy
from tests.support.faults.sampler import Sampler, reach
from tests.support.faults.stage import Pair, Pooled, Stage, backends, children_of, execute, fill
from tests.support.waits import wait_until

OURS = "pgtop-conn"
TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL) WHERE application_name = 'pgtop-conn'"
CANCEL = TERMINATE.replace("terminate", "cancel")


@dataclass(slots=True)
class Ground:
    """What a fault works on. `longest_s` is how long it may last."""

    stage: Stage
    sampler: Sampler
    random: Random
    longest_s: float
    #: What the fault leaves to be done once the monitor has recovered.
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    @property
    def proxy(self) -> Proxy:
        assert self.stage.proxy is not None
        return self.stage.proxy

    async def last(self, longest_s: float) -> None:
        """The fault lasts for a random time, in seconds."""
        await asyncio.sleep(self.random.uniform(0.2, min(longest_s, self.longest_s)))


Fault = Callable[[Ground], Awaitable[str]]


@contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """Processes that hang (SIGSTOP) while inside."""
    held = list(pids)
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def postmaster(ground: Ground) -> int:
    pid = ground.stage.primary.postmaster_pid
    assert pid is not None
    return pid


async def restart(ground: Ground) -> str:
    await asyncio.to_thread(ground.stage.primary.stop)
    await ground.last(2.0)
    await asyncio.to_thread(ground.stage.primary.start)
    return ""


async def crash(ground: Ground) -> str:
    await asyncio.to_thread(ground.stage.primary.stop, "immediate")
    await ground.last(2.0)
    await asyncio.to_thread(ground.stage.primary.start)
    return ""


async def killed_backend(ground: Ground) -> str:
    """The server ends everybody and recovers: logins get 57P03 meanwhile."""
    cluster = ground.stage.primary
    victim, other = await reach(cluster, app="victim"), await reach(cluster, app="other")
    os.kill(victim.get_server_pid(), signal.SIGKILL)
    victim.terminate()
    await wait_until(other.is_closed, "the server has ended everybody", every_s=0.005)
    await (await reach(cluster)).close()
    return ""


async def terminated(ground: Ground) -> str:
    await execute(ground.stage.primary, TERMINATE)
    return ""


async def cancelled(ground: Ground) -> str:
    admin = await reach(ground.stage.primary)
    for _ in range(40):
        await admin.execute(CANCEL)
        await asyncio.sleep(0.01)
    await admin.close()
    return ""


async def hung_backend(ground: Ground) -> str:
    with stopped(await backends(ground.stage.primary, OURS)):
        await ground.last(9.0)
    return ""


async def hung_postmaster(ground: Ground) -> str:
    """Who is in stays in; where ours was ended before, no login is answered."""
    if ground.random.random() < 0.6:
        admin = await reach(ground.stage.primary)
        with stopped([postmaster(ground)]):
            await admin.execute(TERMINATE)
            await ground.last(10.0)
        admin.terminate()
    else:
        with stopped([postmaster(ground)]):
            await ground.last(10.0)
    return ""


async def hung_server(ground: Ground) -> str:
    """All of its processes, except the one that serves the sampler."""
    own = ground.sampler.own_pids()
    pid = postmaster(ground)
    with stopped([pid, *(child for child in children_of(pid) if child not in own)]):
        await ground.last(10.0)
    return ""


async def packets_dropped(ground: Ground) -> str:
    ground.proxy.silence()
    await ground.last(12.0)
    ground.proxy.heal()
    return ""


async def flow_forgotten(ground: Ground) -> str:
    ground.proxy.forget()
    await asyncio.sleep(0)
    return ""


async def reset(ground: Ground) -> str:
    ground.proxy.reset()
    return ""


async def half_reset(ground: Ground) -> str:
    """Only the monitor hears of it: its session stays on the server, idle for ever."""
    ground.proxy.reset(only_client=True)
    return ""


async def refused(ground: Ground) -> str:
    await ground.proxy.refuse()
    ground.proxy.reset()
    await ground.last(4.0)
    await ground.proxy.start()
    return ""


async def slow_network(ground: Ground) -> str:
    ground.proxy.delay_s = ground.random.uniform(0.05, 0.4)
    await ground.last(6.0)
    ground.proxy.delay_s = 0.0
    return ""


async def full_slots(ground: Ground) -> str:
    """Ours is ended, and a crowd has its slot before we are back."""
    cluster = ground.stage.primary
    admin = await reach(cluster)
    crowd: list[asyncpg.Connection[asyncpg.Record]] = []
    try:
        await fill(cluster, crowd)
        await admin.execute(TERMINATE)
        await wait_until(lambda: not ground.sampler.pids(), "ours is gone", every_s=0.002)
        await fill(cluster, crowd)
        await ground.last(5.0)
    finally:
        for one in crowd:
            one.terminate()
        await admin.close()
    return ""


async def starting_up(ground: Ground) -> str:
    """A standby that takes nobody: 57P03 for as long as it lasts."""
    cluster = ground.stage.primary
    await execute(cluster, "ALTER SYSTEM SET hot_standby = off")
    await asyncio.to_thread(cluster.stop)
    signal_file = cluster.data_dir / "standby.signal"
    signal_file.touch()
    owner = cluster.data_dir.stat()
    os.chown(signal_file, owner.st_uid, owner.st_gid)
    await asyncio.to_thread(cluster.start)
    await ground.last(4.0)
    await asyncio.to_thread(cluster.stop)
    signal_file.unlink()
    await asyncio.to_thread(cluster.start)
    await execute(cluster, "ALTER SYSTEM RESET hot_standby")
    return ""


async def shutting_down(ground: Ground) -> str:
    """A smart shutdown waits for the others, ours is ended: 57P03 for as long as it lasts."""
    cluster = ground.stage.primary
    admin = await reach(cluster)
    os.kill(postmaster(ground), signal.SIGTERM)
    await admin.execute(TERMINATE)
    await ground.last(3.0)
    admin.terminate()
    await asyncio.to_thread(cluster.stop)
    await asyncio.to_thread(cluster.start)
    return ""


async def idle_timeout(ground: Ground) -> str:
    """Sessions of this role are ended when they are idle for less than the interval."""
    cluster = ground.stage.primary
    await execute(cluster, "ALTER ROLE dba SET idle_session_timeout = '150ms'", TERMINATE)
    await ground.last(4.0)
    await execute(cluster, "ALTER ROLE dba RESET idle_session_timeout", TERMINATE)
    return ""


async def locked_catalog(ground: Ground) -> str:
    admin = await reach(ground.stage.primary)
    await admin.execute("BEGIN; LOCK pg_authid IN ACCESS EXCLUSIVE MODE")
    if ground.random.random() < 0.5:
        await admin.execute(TERMINATE)
    await asyncio.sleep(min(5.0, ground.longest_s))
    await admin.execute("ROLLBACK")
    await admin.close()
    return ""


async def resized(ground: Ground) -> str:
    """Another max_connections needs a restart, and must be on the screen after it."""
    stage = ground.stage
    stage.max_connections = 50 - stage.max_connections
    await execute(stage.primary, f"ALTER SYSTEM SET max_connections = {stage.max_connections}")
    await asyncio.to_thread(stage.primary.restart)
    return f"/{stage.max_connections}  "


async def pooler_restarted(ground: Ground) -> str:
    assert isinstance(ground.stage, Pooled)
    await ground.stage.stop_pooler()
    await ground.last(2.0)
    await ground.stage.start_pooler()
    return ""


async def failover(ground: Ground) -> str:
    """The primary goes, in good order or at once, and its standby is promoted; a new standby is built afterwards."""
    pair = ground.stage
    assert isinstance(pair, Pair)
    mode = "fast" if ground.random.random() < 0.5 else "immediate"
    await asyncio.to_thread(pair.primary.stop, mode)  # type: ignore[arg-type]
    await ground.last(2.0)
    await pair.promote()
    ground.afterwards.append(pair.build_standby)
    return f"127.0.0.1:{pair.primary.port}"


async def primary_hangs(ground: Ground) -> str:
    """A failover away from a primary that hangs, and is ended only then."""
    pair = ground.stage
    assert isinstance(pair, Pair)
    old, pid, own = pair.primary, postmaster(ground), ground.sampler.own_pids()
    with stopped([pid, *(child for child in children_of(pid) if child not in own)]):
        await pair.promote()
        await ground.last(3.0)
        os.kill(pid, signal.SIGQUIT)
    await asyncio.to_thread(old.stop, "immediate")
    ground.afterwards.append(pair.build_standby)
    return f"127.0.0.1:{pair.primary.port}"


@dataclass(frozen=True, slots=True)
class Kind:
    """`hangs`: the server's side of a session may outlive the connection that we have given up."""

    name: str
    make: Fault
    stages: tuple[str, ...] = ("direct", "pooler", "pair")
    hangs: bool = False


_BEHIND_PROXY = ("direct", "pooler")
KINDS: tuple[Kind, ...] = (
    Kind("restart", restart),
    Kind("immediate crash", crash),
    Kind("backend killed (-9)", killed_backend),
    Kind("ours terminated", terminated),
    Kind("ours cancelled", cancelled),
    Kind("ours hangs", hung_backend, hangs=True),
    Kind("postmaster hangs", hung_postmaster, hangs=True),
    Kind("whole server hangs", hung_server, hangs=True),
    Kind("packets dropped", packets_dropped, _BEHIND_PROXY, hangs=True),
    Kind("connection forgotten", flow_forgotten, _BEHIND_PROXY, hangs=True),
    Kind("connection reset", reset, _BEHIND_PROXY),
    Kind("reset, server not told", half_reset, _BEHIND_PROXY, hangs=True),
    Kind("port closed", refused, _BEHIND_PROXY),
    Kind("slow network", slow_network, _BEHIND_PROXY),
    Kind("slots full", full_slots, ("direct",)),
    Kind("in recovery (57P03)", starting_up, _BEHIND_PROXY),
    Kind("shutting down (57P03)", shutting_down),
    Kind("idle_session_timeout", idle_timeout),
    Kind("pg_authid locked", locked_catalog),
    Kind("max_connections, restart", resized, _BEHIND_PROXY),
    Kind("pooler restart", pooler_restarted, ("pooler",)),
    Kind("failover", failover, ("pair",)),
    Kind("failover, primary hangs", primary_hangs, ("pair",), hangs=True),
)
