"""Poller: the one loop that asks the source. Ask, show, sleep what is left of the interval; one question at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import random
from time import monotonic

from pgtop_conn.model.errors import ConnectError, PgtopError, PollFailed, SlotsExhausted, SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source

#: Pauses between attempts while the source is lost. One login in three seconds is no storm, and who waits for a server
#: to come back should not wait longer for its monitor.
BACK_OFF_FIRST_S = 0.5
BACK_OFF_MOST_S = 3.0
#: A slot that is freed is somebody's at once: whoever is late stays out.
BACK_OFF_FULL_S = 1.0
#: Who is refused by name (SQLSTATE class 28) fills the server's log, and may lock the account.
BACK_OFF_REFUSED_S = 30.0

#: Of its time the monitor spends at most this share on asking.
SHARE_MOST = 0.1
#: No interval is stretched to more than this, and none by less than this factor.
STRETCHED_MOST_S = 60.0
STRETCHED_LEAST = 1.2

CLOSING = "the monitor is being closed"


def back_off_s(failures: int, chance: float, most_s: float = BACK_OFF_MOST_S) -> float:
    """Seconds to wait after so many failures in a row; `chance` (0 to 1) keeps many monitors from coming at once.

    >>> [back_off_s(failures, 1.0) for failures in (1, 2, 3, 6, 99)]
    [0.5, 1.0, 2.0, 3.0, 3.0]
    >>> back_off_s(1, 0.0)
    0.25
    """
    longest: float = min(most_s, BACK_OFF_FIRST_S * 2 ** min(failures - 1, 10))
    return longest * (0.5 + 0.5 * chance)


def stretched_s(interval_s: float, before_s: float, took_s: float) -> float:
    """The interval after an answer that took so long: as long as it takes to spend SHARE_MOST of the time on asking.

    It gets at most twice as long or half as short as it was `before_s`, so that a server that hung for a moment is
    looked at again soon. An interval of 0 stays without pause.

    >>> [stretched_s(2.0, before, 0.5) for before in (2.0, 4.0, 6.0, 20.0)]
    [4.0, 5.0, 5.0, 10.0]
    >>> stretched_s(2.0, 6.0, 0.1), stretched_s(2.0, 3.0, 0.1), stretched_s(2.0, 2.0, 0.2)
    (3.0, 2.0, 2.0)
    """
    wanted = min(took_s / SHARE_MOST, STRETCHED_MOST_S)
    if wanted <= interval_s * STRETCHED_LEAST or not interval_s:
        wanted = interval_s
    # The user may have chosen another one meanwhile.
    before_s = max(before_s, interval_s)
    return max(interval_s, before_s / 2, min(wanted, before_s * 2))


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
        #: The interval as slow answers have made it, and how long the last answer took on this connection.
        self._slow_s = self._took_s = 0.0

    @property
    def stretched_s(self) -> float | None:
        """The interval as slow answers have stretched it; None while they have not."""
        return self._slow_s if self._slow_s > self._interval_s() else None

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
                    pause = back_off_s(failures, random(), _most_s(error))
                    if isinstance(error, PollFailed):
                        # The session lives, and what was asked in vain was work for the server, too.
                        pause = max(pause, self._pause_s(began))
                    else:
                        # The next answer takes a login longer, and tells nothing of the one after it.
                        self._took_s = 0.0
                    self._tell_failed(error)
                    _fail(awaited, error)
                else:
                    failures = 0
                    pause = self._pause_s(began)
                    self._tell_polled(snapshot)
                    _answer(awaited, snapshot)
                await self._sleep(pause)
        finally:
            _fail([*awaited, *self._awaited], SourceLost(CLOSING))

    def _pause_s(self, began: float) -> float:
        """What is left of the interval; one slow answer after a fast one does not stretch it."""
        took_s = monotonic() - began
        self._slow_s = stretched_s(self._interval_s(), self._slow_s, min(took_s, self._took_s))
        self._took_s = took_s
        return self._slow_s - took_s

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


def _most_s(error: PgtopError) -> float:
    if isinstance(error, SlotsExhausted):
        return BACK_OFF_FULL_S
    refused = isinstance(error, ConnectError) and (error.sqlstate or "").startswith("28")
    return BACK_OFF_REFUSED_S if refused else BACK_OFF_MOST_S


def _answer(awaited: list[asyncio.Future[Snapshot]], snapshot: Snapshot) -> None:
    for one in awaited:
        if not one.done():
            one.set_result(snapshot)


def _fail(awaited: list[asyncio.Future[Snapshot]], error: PgtopError) -> None:
    for one in awaited:
        if not one.done():
            one.set_exception(error)
