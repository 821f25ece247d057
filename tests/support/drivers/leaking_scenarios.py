"""Leaking: the mistakes by which applications lose sessions. Add one: a play, a line in table.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.support.drivers.application import Application
from tests.support.drivers.scenario import MOST_LEAKED, Fill, Play
from tests.support.drivers.stage import Stage

#: Seconds between two mistakes, and how long it goes on after as many as there is room for.
PACE_S = 1.0
AFTER_S = 18.0
BLOCK = 4
#: What a pool's maximum is where the mistake empties it.
AT_MOST = 20


def by(command: str, *, works: bool = True, pace_s: float = PACE_S) -> Play:
    """The mistake `command` once for each pace, while the application does its work, where it has a pool for that."""

    async def play(stage: Stage) -> None:
        pool = await stage.start(least=3)
        await lost(stage, pool, command, works=works, pace_s=pace_s)

    return play


async def lost(stage: Stage, pool: Application, command: str, *, works: bool = True, pace_s: float = PACE_S) -> None:
    """Until there are enough of them, or no room; and a while after that."""

    async def step() -> None:
        if works:
            await pool.ask("work", 2)
        if len(stage.leaked) < MOST_LEAKED:
            await pool.ask(command)

    await stage.every(pace_s, pace_s * MOST_LEAKED + AFTER_S, step)


async def error_path(stage: Stage) -> None:
    """Requests that fail never give their connection back, until the pool has no other."""
    if stage.fill is Fill.FULL:
        await stage.neighbour(5)
    pool = await stage.start(least=2, most=AT_MOST)

    async def step() -> None:
        await pool.ask("work")
        await pool.ask("error")

    await stage.every(PACE_S, PACE_S * AT_MOST + AFTER_S, step)


async def reload(stage: Stage) -> None:
    """A new client with a pool of its own at each reload, and the one before is forgotten."""
    pool = await stage.start()
    blocks = 0

    async def step(reloads: bool) -> None:
        nonlocal blocks
        if reloads and blocks < MOST_LEAKED // BLOCK:
            blocks += 1
            await pool.ask("reload", BLOCK)
        else:
            await pool.ask("work", BLOCK)

    await _beats(stage, 1.0, 4, MOST_LEAKED // BLOCK * 4.0 + AFTER_S, step)


async def _beats(stage: Stage, pace_s: float, each: int, for_s: float, step: Callable[[bool], Awaitable[None]]) -> None:
    beat = 0

    async def one() -> None:
        nonlocal beat
        await step(beat % each == 0)
        beat += 1

    await stage.every(pace_s, for_s, one)
