"""Connections that take a slot before they have a row: 17 and older, while the server waits for their password."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.snapshot import Server
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.statements import STARTING_ROWS_SINCE, statement

#: A look costs a tenth of the whole activity, and as much as that while somebody authenticates (measured).
OFTEN_S = 5.0
#: Otherwise now and then: connections that never finish can fill a server whose visible sessions are few.
SELDOM_S = 30.0
SATURATED = 0.7
#: Between the two samples of a look; a process being born has its row after the first.
BIRTH_S = 0.1


class Authenticating:
    """The pids found at the last look. Ask at each poll; it decides itself when to look again."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pids: frozenset[int] = frozenset()
        self._looked_at: float | None = None

    async def without_row(self, listed: frozenset[int], used: int, server: Server) -> int:
        """How many there are besides `used` slots; `listed` are the pids that have a row."""
        if self._link.version_num >= STARTING_ROWS_SINCE:
            return 0
        if self._due(used + len(self._pids - listed), server):
            # Before the look: one that fails is not repeated at once either, and the last answer stays.
            self._looked_at = time.monotonic()
            with suppress(PollFailed):
                self._pids = await self._look(listed)
        elif self._pids - listed:
            # Some are known, which is rare: whether they are still there is asked at every poll.
            with suppress(PollFailed):
                self._pids &= await self._sample()
        return len(self._pids - listed)

    def _due(self, used: int, server: Server) -> bool:
        if self._looked_at is None:
            return True
        often = bool(self._pids) or used >= SATURATED * server.ordinary_capacity
        return time.monotonic() - self._looked_at >= (OFTEN_S if often else SELDOM_S)

    async def _look(self, listed: frozenset[int]) -> frozenset[int]:
        (row,) = await self._link.read(statement("virtual_transactions"))
        if listed.issuperset(map(int, row["pids"] or ())):
            return frozenset()
        pids = await self._sample()
        if pids:
            await asyncio.sleep(BIRTH_S)
            pids &= await self._sample()
        return pids

    async def _sample(self) -> frozenset[int]:
        return frozenset(row["pid"] for row in await self._link.read(statement("authenticating")))
