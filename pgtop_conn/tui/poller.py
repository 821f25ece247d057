"""Poller: the one loop that asks the source. Ask, show, sleep what is left of the interval; one question at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import random
from time import monotonic

from pgtop_conn.model.errors import PgtopError, SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source

#: Pauses between attempts while the source is lost.
BACK_OFF_FIRST_S = 0.5
BACK_OFF_MOST_S = 10.0

CLOSING = "the monitor is being closed"


def back_off_s(failures: int, chance: float) -> float:
    """Seconds to wait after so many failures in a row; `chance` (0 to 1) keeps many monitors from coming at once.

    >>> [back_off_s(failures, 1.0) for failures in (1, 2, 3, 6, 99)]
    [0.5, 1.0, 2.0, 10.0, 10.0]
    >>> back_off_s(1, 0.0)
    0.25
    """
    longest: float = min(BACK_OFF_MOST_S, BACK_OFF_FIRST_S * 2 ** min(failures - 1, 10))
    return longest * (0.5 + 0.5 * chance)


class Poller:
    """`polled` and `failed` are called on the event loop, one of them after each question."""

    def __init__(
        self,
        source: Source,
        interval_s: Callable[[], float],
        polled: Callable[[Snapshot], None],
        failed: Callable[[PgtopError], None],
    ) -> None:
        self._source = source
        self._interval_s = interval_s
        self._polled = polled
        self._failed = failed
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        #: Who waits for a poll that has not begun yet.
        self._awaited: list[asyncio.Future[Snapshot]] = []
        #: Held by whoever is asking the source something.
        self.turn = asyncio.Lock()
        #: When the question that is still open was asked, on the monotonic clock.
        self.asking_since: float | None = None

    async def run(self, *, wait_first: bool = False) -> None:
        """Poll until stop(); cancelling this leaves the open question to stop(), which ends it in an orderly way."""
        self._task = asyncio.create_task(self._loop(wait_first), name="poll")
        await asyncio.shield(self._task)

    def wake(self) -> None:
        """Ask again now, or as soon as the open question is answered."""
        self._wake.set()

    async def look(self) -> Snapshot:
        """The next poll that begins after this call. Raises what the poll raises, and SourceLost once stopped."""
        if self._stopping:
            raise SourceLost(CLOSING)
        awaited: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
        self._awaited.append(awaited)
        self.wake()
        return await awaited

    async def stop(self, patience_s: float = 1.0) -> None:
        """End the loop; an open question gets a moment, since cancelling it costs the server one more connection."""
        self._stopping = True
        self.wake()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=patience_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _loop(self, wait_first: bool) -> None:
        if wait_first:
            await self._sleep(self._interval_s())
        failures = 0
        awaited: list[asyncio.Future[Snapshot]] = []
        try:
            while not self._stopping:
                began = monotonic()
                try:
                    async with self.turn:
                        awaited, self._awaited = self._awaited, []
                        self.asking_since = monotonic()
                        snapshot = await self._source.poll()
                except PgtopError as error:
                    failures += 1
                    self._tell_failed(error)
                    _fail(awaited, error)
                    pause = back_off_s(failures, random())
                else:
                    failures = 0
                    self._tell_polled(snapshot)
                    _answer(awaited, snapshot)
                    pause = self._interval_s() - (monotonic() - began)
                await self._sleep(pause)
        finally:
            _fail([*awaited, *self._awaited], SourceLost(CLOSING))

    def _tell_polled(self, snapshot: Snapshot) -> None:
        self.asking_since = None
        if not self._stopping:
            self._polled(snapshot)

    def _tell_failed(self, error: PgtopError) -> None:
        self.asking_since = None
        if not self._stopping:
            self._failed(error)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(0.0, seconds))
        self._wake.clear()


def _answer(awaited: list[asyncio.Future[Snapshot]], snapshot: Snapshot) -> None:
    for one in awaited:
        if not one.done():
            one.set_result(snapshot)


def _fail(awaited: list[asyncio.Future[Snapshot]], error: PgtopError) -> None:
    for one in awaited:
        if not one.done():
            one.set_exception(error)
