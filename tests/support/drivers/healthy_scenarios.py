"""Healthy: how applications use their pools without losing a session. Add a way: a play, a line in table.py."""

from __future__ import annotations

from random import Random

from tests.support.drivers.application import Application
from tests.support.drivers.scenario import Fill
from tests.support.drivers.stage import Stage

#: Seconds that each is watched.
WATCHED_S = 40.0
WORKERS = 16
PODS = 4
POD_SIZE = 5


def size(stage: Stage) -> int:
    """Of one pool: it fills the small server, and has room on the other."""
    return 23 if stage.fill is Fill.FULL else 20


async def warm_idle(stage: Stage) -> None:
    """A pool that was warmed, and then nobody comes: night."""
    pool = await stage.start(least=size(stage), most=size(stage))
    await pool.warm(size(stage))
    await stage.pass_(WATCHED_S)


async def cold_tail(stage: Stage) -> None:
    """A crowd at the start, one after the other, and few requests since: a pool that is last in, first out, lets the
    rest of its connections rest."""
    pool = await stage.start(least=2, most=size(stage))
    for count in (4, 8, 13, size(stage)):
        await pool.warm(count)
        await stage.pass_(0.8)
    await stage.every(0.7, WATCHED_S, lambda: pool.ask("work", 2))


async def bursts(stage: Stage) -> None:
    """Every few seconds all of it is needed, and next to nothing meanwhile."""
    pool = await stage.start(least=2, most=size(stage))
    beat = 0

    async def step() -> None:
        nonlocal beat
        await pool.ask("work", size(stage) - 2 if beat % 8 == 3 else 1)
        beat += 1

    await stage.every(1.0, WATCHED_S, step)


async def kept_alive(stage: Stage) -> None:
    """The driver checks its connections, on a beat or when they are taken."""
    pool = await stage.start(least=size(stage), most=size(stage), pre_ping=True)
    await pool.warm(size(stage))

    async def step() -> None:
        await pool.ask("ping")
        await pool.ask("work", 2)

    await stage.every(2.0, WATCHED_S, step)


async def rolling(stage: Stage) -> None:
    """Pods that are replaced one after another, each of which opens its pool at once."""
    pods: list[Application] = []
    for number in range(PODS - 1 if stage.fill is Fill.FULL else PODS):
        pods.append(await stage.start(host=2 + number, least=POD_SIZE, most=POD_SIZE))
        await pods[-1].warm(POD_SIZE)
        await stage.pass_(1.0)
    for number in range(PODS):
        new = await stage.start(host=2 + PODS + number, least=POD_SIZE, most=POD_SIZE)
        await new.warm(POD_SIZE)
        await stage.every(0.5, 3.0, lambda: _each(pods))
        await pods.pop(0).quit()
        pods.append(new)
        await stage.every(0.5, 5.0, lambda: _each(pods))


async def workers(stage: Stage) -> None:
    """Workers that keep a connection each for themselves, and get a request now and then."""
    pool = await stage.start()
    chance = Random(7)
    for number in range(WORKERS):
        await pool.ask("worker", number)
        await stage.pass_(0.6)
    await stage.every(0.7, WATCHED_S, lambda: pool.ask("worker", chance.randrange(WORKERS)))


async def _each(pods: list[Application]) -> None:
    for pod in pods:
        await pod.ask("work", 1)
