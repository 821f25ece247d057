"""answers(): the one poll loop. Ask, hand on the answer, sleep what is left of the interval; one question at a time.

Poller: the screen's use of it, which can be woken. polls(): that of a command which goes on until it is ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from time import monotonic
from typing import Protocol

from pgtop_conn.model.errors import PgtopError, PollFailed, SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.pacing import Pace, Pauses

CLOSING = "the monitor is being closed"


#: What a question brought: a poll, or why there is none.
Answer = Snapshot | PgtopError


async def answers(
    ask: Callable[[], Awaitable[Snapshot]],
    pauses: Pauses,
    ended: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Answer, None]:
    """Ask, give the answer, and sleep what is left of the pause, until it has `ended`; to be closed.

    Every PgtopError of `ask` is an answer. What the caller does with one is part of the pause that follows.
    """
    while not ended():
        began = monotonic()
        answer: Answer
        try:
            answer = await ask()
        except PgtopError as error:
            answer, pause_s = error, pauses.after_failure(error, monotonic() - began)
        else:
            pause_s = pauses.after_answer(monotonic() - began)
        until = monotonic() + pause_s
        yield answer
        if not ended():
            await sleep(max(0.0, until - monotonic()))


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

    async def next_poll(self) -> Snapshot: ...

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
        #: Who waits for the one that is under way.
        self._asked_for: list[asyncio.Future[Snapshot]] = []
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

    async def next_poll(self) -> Snapshot:
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
        try:
            async with aclosing(answers(self._ask, self._pace, lambda: self._stopping, self._sleep)) as brought:
                async for answer in brought:
                    self.asking_since = None
                    self._hand_on(answer)
        finally:
            _fail([*self._asked_for, *self._awaited], SourceLost(CLOSING))

    async def _ask(self) -> Snapshot:
        async with self.turn:
            self._asked_for, self._awaited = self._awaited, []
            self.asking_since = monotonic()
            return await self._source.poll()

    def _hand_on(self, answer: Answer) -> None:
        if isinstance(answer, PgtopError):
            if not self._stopping:
                self._failed(answer)
            _fail(self._asked_for, answer)
        else:
            if not self._stopping:
                self._polled(answer)
            _answer(self._asked_for, answer)

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
    answered, said = False, ""
    async with aclosing(answers(source.poll, Pace(lambda: every_s))) as brought:
        async for answer in brought:
            if not isinstance(answer, PgtopError):
                if said:
                    said = ""
                    tell("it answers again")
                answered = True
                yield answer
            elif not answered:
                raise answer
            elif str(answer) != said:
                said = str(answer)
                tell(f"{said}; {'looking' if isinstance(answer, PollFailed) else 'connecting'} again")
