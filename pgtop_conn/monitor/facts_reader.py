"""FactsReader: asks the source for facts while no poll is under way, and keeps the answer for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.poller import SnapshotLoop

#: Settings and logs are read anew after so long.
KEPT_S = 300.0
#: After a failure the next attempt waits for so long.
AGAIN_S = 10.0


class FactsReader:
    """`changed` is called when reading begins and when it ends."""

    def __init__(self, source: Source, poller: SnapshotLoop, changed: Callable[[], None]) -> None:
        self._source = source
        self._poller = poller
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self.facts: Facts = NO_FACTS
        self.trouble = ""

    @property
    def reading(self) -> bool:
        return self._task is not None

    @property
    def state(self) -> str:
        """In words: whether settings and log are read."""
        if self.reading:
            return "reading settings and log …"
        if self.trouble:
            return f"settings and log not read: {self.trouble}"
        return "settings and log not read yet" if self._read_at is None else "settings and log read"

    def want(self) -> None:
        """Begin to read, unless that is under way or what is known is new enough."""
        if self.reading or _younger(self._read_at, KEPT_S) or _younger(self._tried_at, AGAIN_S):
            return
        self._tried_at = monotonic()
        self._task = asyncio.create_task(self._read(), name="facts")
        self._changed()

    async def have(self) -> Facts:
        """The facts, once those that are being read have come."""
        self.want()
        if (task := self._task) is not None:
            # Whoever waits may be cancelled; the question is let come to its answer.
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
        return self.facts

    async def stop(self, patience_s: float = 1.0) -> None:
        """An open question gets a moment, since cancelling it costs the server one more connection."""
        task = self._task
        if task is None:
            return
        await asyncio.wait({task}, timeout=patience_s)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _read(self) -> None:
        try:
            async with self._poller.turn:
                self._poller.asking_since = monotonic()
                self.facts = await self._source.facts()
            self._read_at, self.trouble = monotonic(), ""
        except PgtopError as error:
            self.trouble = str(error)
        finally:
            self._poller.asking_since = None
            self._task = None
        self._changed()


def _younger(since: float | None, seconds: float) -> bool:
    return since is not None and monotonic() - since < seconds
