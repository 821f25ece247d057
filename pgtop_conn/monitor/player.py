"""Player: for a tape what the poller is to a server. It shows one moment after the other, as fast as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pgtop_conn.model.errors import PgtopError, SourceLost
from pgtop_conn.model.history.moments import Moment, Tape
from pgtop_conn.model.snapshot import Snapshot

#: Steps of the speed keys: seconds of the tape in one second.
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
#: Moments closer together than this are passed over: nobody could read them.
FRAME_S = 0.1
#: What lies further ahead does not follow: what was in between tells as much.
FOLLOWS_S = 30.0
#: A gap in the tape is waited through for so long at most.
GAP_S = 5.0

RECORDED = "this is a recording: nobody answers"


class Player:
    """`shown` is called on the event loop with each moment, and whether it goes on from the one before.

    `failed` tells of a moment that can't be read; it is passed over.
    """

    def __init__(
        self,
        tape: Tape,
        shown: Callable[[Moment, bool], None],
        failed: Callable[[PgtopError], None],
        changed: Callable[[], None],
    ) -> None:
        self._tape = tape
        self._shown = shown
        self._failed = failed
        self._changed = changed
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        #: The moment that is shown; None before the first.
        self.index: int | None = None
        self.playing = True
        self.speed = 1.0
        #: As a poller has them: nothing is ever open here.
        self.turn = asyncio.Lock()
        self.asking_since: float | None = None

    @property
    def stretched_s(self) -> float | None:
        return None

    @property
    def last(self) -> int:
        return len(self._tape.times) - 1

    @property
    def at_end(self) -> bool:
        return self.index is not None and self.index >= self.last

    async def run(self, *, wait_first: bool = False) -> None:
        """Play until stop(); `wait_first` has the first moment shown already."""
        if wait_first:
            self.index = 0
        self._task = asyncio.create_task(self._loop(), name="play")
        await asyncio.shield(self._task)

    def wake(self) -> None:
        """Something about the playing has changed."""
        self._wake.set()

    async def next_poll(self) -> Snapshot:
        """Nobody can be asked. Raises SourceLost."""
        raise SourceLost(RECORDED)

    async def stop(self, patience_s: float = 1.0) -> None:
        """End the playing; a moment that is being read is read in so long, or was the last."""
        self._stopping = True
        self.wake()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=max(FRAME_S, patience_s))

    def play(self, playing: bool) -> None:
        """Go on or hold still; at the end there is nothing to go on to."""
        self.playing = playing and not self.at_end
        self.wake()

    def faster(self, step: int) -> None:
        """The next speed, or with -1 the one before."""
        index = SPEEDS.index(self.speed) + step
        self.speed = SPEEDS[min(max(0, index), len(SPEEDS) - 1)]
        self.wake()

    def seek(self, index: int) -> bool:
        """Show this moment now; whether it could be read."""
        index = min(max(0, index), self.last)
        try:
            moment = self._tape.moment(index)
        except PgtopError as error:
            self._failed(error)
            return False
        times = self._tape.times
        follows = self.index is not None and 0.0 < times[index] - times[self.index] <= FOLLOWS_S
        self.index = index
        self._shown(moment, follows)
        self.wake()
        return True

    async def _loop(self) -> None:
        while not self._stopping:
            if not self.playing:
                await self._sleep(None)
            elif self.at_end:
                self.playing = False
                self._changed()
            elif await self._sleep(self._pause_s()):
                self._step()

    def _pause_s(self) -> float:
        """Until the next moment that is shown."""
        if self.index is None:
            return 0.0
        times, index = self._tape.times, self.index
        return min(GAP_S, max(FRAME_S, (times[index + 1] - times[index]) / self.speed))

    def _step(self) -> None:
        """The next moment, or as many further as pass within one frame."""
        if self.index is None:
            self.seek(0)
            return
        times, after = self._tape.times, self.index + 1
        now = times[self.index]
        # A clock that was put back begins anew: nothing is passed over to catch up with it.
        while after < self.last and now <= times[after] <= times[after + 1] <= now + FRAME_S * self.speed:
            after += 1
        while not self.seek(after) and after < self.last:
            after += 1
        if self.index is None or self.index < after:
            # The rest can't be read.
            self.playing = False
            self._changed()

    async def _sleep(self, seconds: float | None) -> bool:
        """Whether the time went by without anything changing."""
        self._wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
            return False
        return True
