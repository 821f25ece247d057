"""Ask the source, hand on the answer, sleep what is left of the interval; one question at a time.

Poller: the screen's loop, which can be woken. polls(): that of a command without a screen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from time import monotonic
from typing import Protocol

from pgtop_conn.model.errors import PgtopError, PollFailed, SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.pacing import Pace

CLOSING = "the monitor is being closed"


class SnapshotLoop(Protocol):
    """What brings the screen its snapshots: a Poller from a server, a Player from a recording."""

    #: Held by whoever is asking the source something.
    turn: asyncio.Lock
    #: When the question that is still open was asked, on the monotonic clock.
    asking_since: float | None

    @property
    def stretched_s(self) -> float | None: ...

    async def run(self, *, wait_first: bool = False) -> None: ...

    def wake(self) -> None: ...

    async def look(self) -> Snapshot: ...

    async def stop(self, patience_s: float = 1.0) -> None: ...


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
        self._pace = Pace(interval_s)

    @property
    def stretched_s(self) -> float | None:
        """The interval as slow answers have stretched it; None while they have not."""
        return self._pace.stretched_s

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
                    pause = self._pace.after_failure(error, monotonic() - began)
                    self._tell_failed(error)
                    _fail(awaited, error)
                else:
                    pause = self._pace.after_answer(monotonic() - began)
                    self._tell_polled(snapshot)
                    _answer(awaited, snapshot)
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


async def polls(source: Source, every_s: float, tell: Callable[[str], object]) -> AsyncGenerator[Snapshot, None]:
    """One poll after the other, without an end; to be closed.

    The first may raise what poll() raises. What fails later is told, once for each reason, and asked again.
    """
    pace, answered, said = Pace(lambda: every_s), False, ""
    while True:
        began = monotonic()
        try:
            snapshot = await source.poll()
        except PgtopError as error:
            if not answered:
                raise
            until = monotonic() + pace.after_failure(error, monotonic() - began)
            if str(error) != said:
                said = str(error)
                tell(f"{said}; {'looking' if isinstance(error, PollFailed) else 'connecting'} again")
        else:
            until = monotonic() + pace.after_answer(monotonic() - began)
            if said:
                said = ""
                tell("it answers again")
            answered = True
            yield snapshot
        await asyncio.sleep(max(0.0, until - monotonic()))
