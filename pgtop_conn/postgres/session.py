"""Session: the Source that is a real server, seen through exactly one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Target
from pgtop_conn.postgres.activity import Reader
from pgtop_conn.postgres.connecting import connect
from pgtop_conn.postgres.conninfo import ConnInfo
from pgtop_conn.postgres.link import Link
from pgtop_conn.postgres.signals import signal_each

_CLOSED = "the session was closed"


class Session:
    """Opened with `await Session.open(info)`. Polls may be cancelled; signals may go out between their statements.

    poll() on a lost connection raises SourceLost once; each poll() after that tries once to connect again, with the
    same password. How long to wait between tries is the caller's business.
    """

    def __init__(self, info: ConnInfo, link: Link) -> None:
        self._info = info
        self._link: Link | None = link
        self._reader = Reader(link)
        self._turn = asyncio.Lock()
        self._connecting: asyncio.Task[Link] | None = None
        self._closed = False

    @classmethod
    async def open(cls, info: ConnInfo) -> Session:
        """Connect. Raises ConnectError, PasswordNeeded or SlotsExhausted."""
        return cls(info, await connect(info))

    @property
    def pooled(self) -> bool:
        """Whether a pooler is between us and the server."""
        return self._link is not None and self._link.pooled

    async def poll(self) -> Snapshot:
        """Read the server once, reconnecting first when the last poll found the connection lost."""
        async with self._turn:
            link = self._link
            if link is None:
                link = self._link = await self._reconnect()
                self._reader = Reader(link)
            try:
                if link.lost:
                    raise SourceLost(link.why_lost)
                return await self._reader.read()
            except SourceLost as error:
                link.cut(str(error))
                self._link = None
                raise

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """One statement for each target, in order; see signals.py for what the server re-checks."""
        return await signal_each(self._link, action, targets, self._reader.raw_names)

    async def close(self) -> None:
        """End the session within two seconds; safe to call twice, and while a poll or a reconnect is under way."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _reconnect(self) -> Link:
        if self._closed:
            raise SourceLost(_CLOSED)
        task = self._connecting = asyncio.create_task(connect(self._info))
        try:
            link = await task
        except asyncio.CancelledError:
            # The cancellation may arrive in the very step in which the connection was made.
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().cut(_CLOSED)
            if self._closed and not _being_cancelled():
                raise SourceLost(_CLOSED) from None
            raise
        finally:
            self._connecting = None
        if self._closed:
            link.cut(_CLOSED)
            raise SourceLost(_CLOSED)
        return link


def _being_cancelled() -> bool:
    """Whether it is our own task that is being cancelled, rather than the one it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
