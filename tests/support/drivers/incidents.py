"""Incidents: what has been told wrong before, each with the driver it was seen with. Add one: a play, a line here."""

from __future__ import annotations

from random import Random

from tests.support.drivers.application import Application
from tests.support.drivers.leaking_scenarios import by, lost
from tests.support.drivers.scenario import Behaviour, Driver, Fill, Scenario
from tests.support.drivers.stage import Stage

PSYCOPG2 = Driver("psycopg2 pool", "python", "pools", {"driver": "psycopg2"}, app="mailer")
PSYCOPG = Driver("psycopg", "python", "pools", {"driver": "psycopg"}, app="")
PSYCOPG_POOL = Driver("psycopg_pool", "python", "pools", {"driver": "psycopg_pool"}, app="billing")
ALCHEMY = Driver("SQLAlchemy psycopg2", "python", "pools", {"driver": "sqlalchemy", "under": "psycopg2"})
LIFO = Driver("SQLAlchemy psycopg LIFO", "python", "pools", {"driver": "sqlalchemy", "under": "psycopg", "lifo": True})
ASYNCPG = Driver("asyncpg", "python", "async_pools", {"driver": "asyncpg"}, app="")
NODE = Driver("node-postgres", "node", "pools", {"driver": "pg"}, app="shop-api")


def slowly(pace_s: float, for_s: float, command: str) -> Behaviour:
    """One mistake every so many seconds, with room left."""

    async def play(stage: Stage) -> None:
        pool = await stage.start()
        await stage.every(pace_s, for_s, lambda: pool.ask(command))

    return Behaviour(f"one per {pace_s:g} s", play, True)


async def flood(stage: Stage) -> None:
    """Five a second fill the server; another service's sessions leave, and it fills again."""
    other = await stage.neighbour(10)
    pool = await stage.start()
    await stage.every(0.2, 16.0, lambda: pool.ask("with"))
    await other.quit()
    await stage.every(0.2, 18.0, lambda: pool.ask("with"))


async def three_pods(stage: Stage) -> None:
    """Three pods lose sessions until the server is full, and it stays so."""
    pods = [await stage.start(host=host, least=2, most=40) for host in (2, 3, 4)]
    turn = 0

    async def step() -> None:
        nonlocal turn
        turn += 1
        await pods[turn % 3].ask("leak")
        await pods[turn % 3].ask("work")

    await stage.every(0.8, 0.8 * stage.fill.slots + 18.0, step)


def beside_a_pool(size: int, command: str = "with") -> Behaviour:
    """Sessions are lost beside a healthy pool of the same application, whose spares rest."""

    async def play(stage: Stage) -> None:
        pool = await stage.start(least=size, most=size)
        await pool.warm(size)
        await stage.every(1.0, 4.0, lambda: pool.ask("work", 1))
        await lost(stage, pool, command)

    return Behaviour(f"beside a pool of {size}", play, True)


async def more_pods(stage: Stage) -> None:
    """Every few seconds one more pod, which opens all of its pool at once and uses little of it."""
    chance = Random(3)
    pods: list[Application] = []
    for number in range(6):
        pods.append(await stage.start(host=2 + number, least=8, most=8))
        await pods[-1].warm(8)
        await stage.every(0.5, chance.uniform(6.0, 12.0), lambda: chance.choice(pods).ask("work"))


async def one_of_six(stage: Stage) -> None:
    """One pod of six is replaced every few seconds."""
    pods = [await stage.start(host=2 + number, least=4, most=4) for number in range(6)]
    for pod in pods:
        await pod.warm(4)
    chance = Random(5)
    for number in range(11):
        new = await stage.start(host=8 + number, least=4, most=4)
        await new.warm(4)
        await pods.pop(0).quit()
        pods.append(new)
        await stage.every(0.5, 5.0, lambda: chance.choice(pods).ask("work"))


async def storm(stage: Stage) -> None:
    """One application loses sessions, another one connects for each statement."""
    storming = await stage.start(app="cron", user="billing")
    pool = await stage.start(least=3)

    async def step() -> None:
        await storming.ask("once", 5)
        if len(stage.leaked) < 25:
            await pool.ask("with")

    await stage.every(1.0, 42.0, step)


def synced(which: str, *, leaks: bool) -> Behaviour:
    """Connections that are kept alive by a bare Sync, those that are free or all."""

    async def play(stage: Stage) -> None:
        pool = await stage.start(sync=which, autocommit=True, least=8, most=40)
        await pool.warm(8)

        async def step() -> None:
            await pool.ask("ping")
            await pool.ask("work", 2)
            if leaks and len(stage.leaked) < 16:
                await pool.ask("leak")

        await stage.every(1.0, 40.0, step)

    return Behaviour(f"Sync to {which}{', leaking' if leaks else ''}", play, leaks)


INCIDENTS = (
    Scenario(ALCHEMY, slowly(12.0, 150.0, "engine"), 13, Fill.HALF),
    Scenario(ALCHEMY, slowly(6.0, 100.0, "engine"), 18, Fill.HALF),
    Scenario(PSYCOPG2, slowly(3.0, 72.0, "with"), 13, Fill.HALF),
    Scenario(PSYCOPG2, Behaviour("flood", flood, True), 18, Fill.HALF),
    Scenario(PSYCOPG_POOL, Behaviour("three pods", three_pods, True), 18, Fill.FULL),
    Scenario(PSYCOPG_POOL, Behaviour("three pods", three_pods, True), 13, Fill.HALF),
    Scenario(LIFO, beside_a_pool(12, "engine"), 18, Fill.FULL),
    Scenario(LIFO, beside_a_pool(12, "engine"), 13, Fill.HALF),
    Scenario(ASYNCPG, beside_a_pool(7), 18, Fill.HALF),
    Scenario(ASYNCPG, beside_a_pool(7), 13, Fill.FULL),
    Scenario(NODE, beside_a_pool(12), 18, Fill.HALF),
    Scenario(PSYCOPG_POOL, Behaviour("more pods", more_pods, False), 18, Fill.HALF),
    Scenario(ALCHEMY, Behaviour("more pods", more_pods, False), 13, Fill.HALF),
    Scenario(PSYCOPG_POOL, Behaviour("one of six", one_of_six, False), 18, Fill.HALF),
    Scenario(ASYNCPG, Behaviour("one of six", one_of_six, False), 13, Fill.HALF),
    Scenario(PSYCOPG2, Behaviour("storm", storm, True), 18, Fill.HALF),
    Scenario(PSYCOPG, synced("free", leaks=False), 18, Fill.HALF),
    Scenario(PSYCOPG, synced("free", leaks=True), 18, Fill.FULL),
    Scenario(PSYCOPG, synced("all", leaks=True), 13, Fill.HALF),
    Scenario(PSYCOPG, Behaviour("stalled", by("stalled"), True), 18, Fill.FULL),
    Scenario(PSYCOPG, Behaviour("stalled", by("stalled"), True), 13, Fill.HALF),
)
