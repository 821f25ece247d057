"""Session: the Source that is a real server, seen through exactly one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from pgtop_conn.model.errors import (
    ConnectError,
    Failure,
    NotPermitted,
    PollFailed,
    SourceLost,
)
from pgtop_conn.model.facts import Facts
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.model.source import Action, Outcome, Target
from pgtop_conn.postgres.connection.abandoned import Abandoned
from pgtop_conn.postgres.connection.connect import connect, read_again
from pgtop_conn.postgres.connection.link import Link, Rows
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo
from pgtop_conn.postgres.poll.reader import AnotherServer, Reader
from pgtop_conn.postgres.signal_backend import signal_each
from pgtop_conn.postgres.statements import statement

_CLOSED = "the session was closed"
#: So many sessions of ours may be on the server at once while it owes some of them an answer.
MOST_AT_ONCE = 2
#: Between two attempts to leave the walsender door for a slot that looked free.
MOVE_EVERY_S = 5.0
#: How often a poll begins anew when the statements of one are answered by several servers behind a pooler.
READ_ANEW = 2


class Session:
    """Opened with `await Session.open(info)`. Polls may be cancelled; signals may go out between their statements.

    poll() on a lost connection raises SourceLost once; each poll() after that tries once to connect again, with the
    password that was typed, or that the files have by now. How long to wait between tries is the caller's business.

    A session that was given up for want of an answer may still hold its slot. While it does, one more is opened, which
    tells the server to end the first; when that one gives no answer either, poll() raises SourceLost and opens none
    until one of them has ended.
    """

    def __init__(self, info: ConnInfo, link: Link, *, by_door: bool = False) -> None:
        self._info = info
        #: Whether the walsender door may be taken when no slot is left.
        self._by_door = by_door
        #: On monotonic()'s clock: the walsender door is left for a free slot no earlier.
        self.move_at = 0.0
        #: The connection; None from its loss until the next poll has made another.
        self.link: Link | None = link
        #: What that connection has read so far.
        self.reader = Reader(link)
        self._turn = asyncio.Lock()
        self._connecting: asyncio.Task[Link] | None = None
        self._closed = False
        #: Sessions of ours that gave no answer, and may hold their slots.
        self.unanswered: list[Abandoned] = []
        #: The session that was lost last: the server may not know that it is.
        self._left: BackendKey | None = None

    @classmethod
    async def open(cls, info: ConnInfo, *, by_door: bool = False) -> Session:
        """Connect, `by_door` through the walsender door. Raises ConnectError, PasswordNeeded or SlotsExhausted."""
        return cls(info, await connect(info, _by_door() if by_door else Link), by_door=by_door)

    @property
    def pooled(self) -> bool:
        """Whether a pooler is between us and the server."""
        return self.link is not None and self.link.pooled

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the login came to besides what was asked for, such as a connection without TLS after all."""
        notes = self.link.notes if self.link is not None else ()
        return tuple(note for note in notes if note not in self._info.notes)

    async def poll(self) -> Snapshot:
        """Read the server once, reconnecting first when the last poll found the connection lost."""
        async with self._turn:
            link = self.link
            if link is None:
                self._refuse_one_more()
                link = self.link = await self._enter()
                self.reader = Reader(link)
            try:
                if link.lost:
                    raise SourceLost(link.why_lost)
                await self._end_earlier(link)
                snapshot = await self._read(link)
                self._forget_ended(link, snapshot)
                return await self._in_a_slot() if self._may_move(link, snapshot) else snapshot
            except SourceLost as error:
                raise self._lost(link, error) from None

    async def _read(self, link: Link) -> Snapshot:
        """One poll; from the beginning where a pooler has led us to another server since the last one."""
        for _ in range(READ_ANEW):
            try:
                return await self.reader.read()
            except AnotherServer:
                self.reader = Reader(link)
        return await self.reader.read()

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        """One statement for each target, in order; see signal_backend.py for what the server re-checks."""
        return await signal_each(self.link, action, targets, self.reader.raw_names)

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Nobody here needs to know."""

    async def facts(self) -> Facts:
        """What a diagnosis asks beyond the polls; these may go out between its statements.

        Takes some seconds at most. Raises SourceLost when the connection is lost, and leaves it to poll() to connect.
        """
        # With the reading of logs 6 ms of every start, and only a diagnosis wants it.
        from pgtop_conn.postgres.facts.facts import read_facts

        link = self.link
        if link is None:
            raise SourceLost("there is no connection to the server at the moment")

        async def ask(text: str, *arguments: object) -> Rows:
            async with self._turn:
                try:
                    return await link.read(text, *arguments)
                except NotPermitted as error:
                    raise await self.reader.asker.explained(error, text) from None
                except SourceLost as error:
                    raise self._lost(link, error) from None

        return await read_facts(ask, link)

    async def close(self) -> None:
        """End the session within two seconds; safe to call twice, and while a poll or a reconnect is under way."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        link, self.link = self.link, None
        for one in self.unanswered:
            one.close()
        if link is not None:
            await link.close()

    def _lost(self, link: Link, error: SourceLost) -> SourceLost:
        """Give this connection up; what to tell of it."""
        link.cut(str(error))
        if self.link is link:
            self.link, self._left = None, self.reader.own_key
        if not self._gave_no_answer(link):
            return error
        return SourceLost(f"{error}; our session {link.announced_pid} may hold its slot meanwhile")

    def _may_move(self, link: Link, snapshot: Snapshot) -> bool:
        """Whether we came in by the door and a slot has become free for our role meanwhile."""
        if not link.door or monotonic() < self.move_at:
            return False
        own = next((role for role in snapshot.roles.values() if role.name == snapshot.server.role), None)
        database = next((one for one in snapshot.databases.values() if one.name == snapshot.server.database), None)
        return own is not None and SlotBudget.of(snapshot).room(own, database).free > 0

    async def _in_a_slot(self) -> Snapshot:
        """Take the free slot, and only then leave the door: for an instant both are ours. Else look on from there."""
        self.move_at = monotonic() + MOVE_EVERY_S
        before = self.link
        try:
            link = await self._reconnect(Link)
        except ConnectError:
            return await self.reader.read()
        self.link, self.reader = link, Reader(link)
        if before is not None:
            await before.close()
        return await self.reader.read()

    def _gave_no_answer(self, link: Link) -> bool:
        """Whether this is how the connection was lost; its session is remembered then."""
        witness = link.take_witness()
        if witness is None:
            return False
        one = Abandoned(witness, link.host, link.announced_pid, self.reader.own_key, self.reader.place)
        if self._closed:
            one.close()
        else:
            self.unanswered.append(one)
        return True

    def _refuse_one_more(self) -> None:
        self.unanswered = [one for one in self.unanswered if not one.ended]
        if len(self.unanswered) >= MOST_AT_ONCE:
            pids = ", ".join(str(one.pid) for one in self.unanswered)
            raise SourceLost(f"our sessions {pids} give no answer and may hold their slots: no further one is opened")

    async def _end_earlier(self, link: Link) -> None:
        """Tell the server once to end what was lost before; a stopped session ends as soon as it runs again."""
        left, self._left = self._left, None
        for one in self.unanswered:
            if one.key is not None and one.host == link.host and not one.told and not one.ended:
                one.told = True
                await _end(link, one.key)
                left = None if left == one.key else left
        if left is not None:
            # A reset that only reached us, as from a firewall between, leaves it there for hours.
            await _end(link, left)

    def _forget_ended(self, link: Link, snapshot: Snapshot) -> None:
        """Those that the same server was told to end, and lists no more."""
        for one in self.unanswered:
            here = one.place is not None and one.place.relation(snapshot).tells
            if one.told and one.host == link.host and here and one.key not in snapshot.by_key:
                one.close()
        self.unanswered = [one for one in self.unanswered if not one.ended]

    async def _enter(self) -> Link:
        """An ordinary slot, or the door where that is allowed and no slot is left."""
        try:
            return await self._reconnect(Link)
        except ConnectError as error:
            if not self._by_door or error.failure is not Failure.FULL:
                raise
            return await self._reconnect(_by_door())

    async def _connected(self, kind: type[Link]) -> Link:
        """With what the files say now: a password may have been changed since."""
        self._info, unread = await read_again(self._info)
        try:
            return await connect(self._info, kind)
        except ConnectError as error:
            if unread:
                error.args = (f"{error}; the settings are those of the start, since {unread}",)
            raise

    async def _reconnect(self, kind: type[Link]) -> Link:
        if self._closed:
            raise SourceLost(_CLOSED)
        task = self._connecting = asyncio.create_task(self._connected(kind))
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


def _by_door() -> type[Link]:
    """The link of the walsender door, loaded for those who take it, as it brings what reads the facts."""
    from pgtop_conn.postgres.connection.walsender import WalsenderLink

    return WalsenderLink


async def _end(link: Link, key: BackendKey) -> None:
    with suppress(PollFailed):
        await link.read(statement("end_own"), key.pid, key.backend_start)


def _being_cancelled() -> bool:
    """Whether it is our own task that is being cancelled, rather than the one it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
