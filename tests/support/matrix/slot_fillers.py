"""Fill a server one slot at a time and hear every monitor after each step."""

from __future__ import annotations

import asyncio
from random import Random

from pgtop_conn.postgres.session import Session
from tests.support.matrix.judge import Judge, Tally
from tests.support.matrix.stage import PROBES, SUPERUSER, Stage, count_logins, find_truth
from tests.support.matrix.wire import Refused, Who, Wire

#: One step in so many gives a slot back instead of taking one.
LEAVING = 6


class Filling:
    """Takes slots of a stage in an order that a seed decides, and remembers who sits in them."""

    def __init__(self, stage: Stage, monitors: dict[str, Session], tally: Tally, seed: int) -> None:
        self._stage = stage
        self._monitors = monitors
        self._tally = tally
        self._random = Random(seed)
        self._seated: list[tuple[Who, Wire]] = []

    async def to_the_edge(self, over: int = 0) -> None:
        """Until not even a superuser gets in, checking all predictions before, between and after."""
        await self.check("at first", over)
        while (step := self._step()) is not None:
            await self.check(step, over)
        assert count_logins(self._stage.cluster, SUPERUSER) == 0

    async def check(self, moment: str, over: int = 0, *, under_way: bool = False) -> None:
        """Poll at every level, find the truth, compare; fails with all that is wrong."""
        layout = self._stage.layout
        assert layout is not None
        snapshots = await asyncio.gather(*(session.poll() for session in self._monitors.values()))
        truth = find_truth(self._stage.cluster, layout.max_connections)
        before = len(self._tally.wrong)
        judge = Judge(self._tally, self._stage.major, truth, moment, over, under_way)
        for monitor, snapshot in zip(self._monitors, snapshots, strict=True):
            judge.hear(monitor, snapshot)
        assert not self._tally.wrong[before:]

    def _step(self) -> str | None:
        """Seat somebody, or let somebody leave; None when the server is full."""
        if self._seated and self._random.randrange(LEAVING) == 0:
            who, wire = self._seated.pop(self._random.randrange(len(self._seated)))
            wire.close()
            return f"{self._count()} after {who} left"
        for who in self._random.sample(PROBES, len(PROBES)):
            if self.seat(who):
                return f"{self._count()} with {who}"
        return f"{self._count()} with {SUPERUSER}" if self.seat(SUPERUSER) else None

    def seat(self, who: Who) -> bool:
        """Log in and stay; False when the server refuses."""
        self._tally.fills += 1
        try:
            self._seated.append((who, Wire(self._stage.cluster).login(who)))
        except Refused:
            return False
        return True

    def _count(self) -> str:
        return f"{len(self._seated)} seated"

    def leave(self) -> None:
        """Give every slot back."""
        for _, wire in self._seated:
            wire.close()
        self._seated.clear()
