"""The simple query protocol on a connection that the driver has logged in: one text, and its rows as text.

For those who speak no other: walsenders, whose rows the driver drops, and the admin consoles of poolers.

    simple = take_over(connection)          from here on the driver neither reads nor writes
    (table,) = await simple.query("SHOW POOLS")
    table.columns, table.rows               names; a tuple for each row, None where it is NULL

The other end is not trusted: what it says is bounded and checked before it is kept, and whatever is no answer to the
question ends the connection. A caller who is cancelled ends it too, since nobody knows where the answer would begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from pgtop_conn.model.errors import ConnectError, Failure

#: Bytes of one message, and of all rows of an answer. A text of a query has 1 MiB at most, twice that in hexadecimal.
LONGEST = 64 * 1024 * 1024
MOST = 256 * 1024 * 1024
#: The kind of a message and its length, which counts itself.
_HEAD = 5
#: Notices, reports of settings and notifications, which may come at any time.
_ASIDE = b"NSA"
_NULL = 0xFFFFFFFF

Row = tuple[bytes | None, ...]


@dataclass(slots=True)
class ResultTable:
    """The answer to one statement. Values are as they were sent, in the encoding of the connection."""

    columns: tuple[str, ...] = ()
    rows: list[Row] = field(default_factory=list)
    #: "SELECT 3"; "" where there was no statement.
    tag: str = ""


class Nonsense(Exception):
    """What arrived is no answer; the message says why."""


class SimpleQuery(asyncio.Protocol):
    """Speaks over `transport` in place of `before`, which goes on hearing of the connection itself."""

    def __init__(self, transport: asyncio.Transport, before: Any, *, longest: int = LONGEST, most: int = MOST) -> None:
        self._transport = transport
        self._before = before
        self._longest = longest
        self._most = most
        self._buffer = bytearray()
        self._waiter: asyncio.Future[list[ResultTable]] | None = None
        self._tables: list[ResultTable] = []
        self._open: ResultTable | None = None
        self._size = 0
        self._error: asyncpg.PostgresError | None = None
        #: Why there is no connection any more; "" while there is one.
        self._lost = ""
        #: Whether a transaction is open, also one that failed.
        self.in_transaction = False

    @property
    def lost(self) -> bool:
        return bool(self._lost)

    async def query(self, text: str, timeout_s: float | None = None) -> list[ResultTable]:
        """A Table for each statement of the text. A refusal is asyncpg.PostgresError.

        Raises asyncpg.ConnectionDoesNotExistError when the connection is lost, TimeoutError after `timeout_s`, which
        ends it.
        """
        if self._waiter is not None or "\0" in text:
            raise asyncpg.InterfaceError("one question at a time, and none with a NUL in it")
        if self._lost:
            raise asyncpg.ConnectionDoesNotExistError(self._lost)
        body = text.encode("utf-8") + b"\0"
        self._tables, self._open, self._size, self._error = [], None, 0, None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(b"Q" + (len(body) + 4).to_bytes(4, "big") + body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiter
        except (TimeoutError, asyncio.CancelledError):
            self._end("the answer was not waited for")
            raise
        finally:
            self._waiter = None

    # What the transport says.

    def data_received(self, data: bytes) -> None:
        """Whole messages are read, a beginning waits for the rest."""
        if self._lost:
            return
        self._buffer += data
        try:
            self._read()
        except Nonsense as error:
            self._end(f"what the server sent is no answer to a simple query: {error}")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)
        self._end("the server closed the connection")

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    # What it means.

    def _read(self) -> None:
        start = 0
        while len(self._buffer) - start >= _HEAD:
            length = int.from_bytes(self._buffer[start + 1 : start + _HEAD], "big")
            if not 4 <= length <= self._longest:
                raise Nonsense(f"a message of {length} bytes")
            end = start + 1 + length
            if end > len(self._buffer):
                break
            self._take(self._buffer[start : start + 1], bytes(self._buffer[start + _HEAD : end]))
            start = end
        del self._buffer[:start]

    def _take(self, kind: bytes | bytearray, body: bytes) -> None:
        if kind in _ASIDE:
            return
        if self._waiter is None or self._waiter.done():
            # Why the session is about to end, at the most.
            if kind != b"E":
                raise Nonsense("it answers what was not asked")
            return
        match bytes(kind):
            case b"T":
                self._open = ResultTable(tuple(_columns(body)))
                self._tables.append(self._open)
            case b"D":
                self._add_row(body)
            case b"C":
                if self._open is None:
                    self._open = ResultTable()
                    self._tables.append(self._open)
                self._open.tag = _text(body)
                self._open = None
            case b"I":
                self._tables.append(ResultTable())
            case b"E":
                self._error = _refusal(body)
            case b"Z":
                self.in_transaction = body != b"I"
                self._answer()
            case _:
                raise Nonsense("it is of another protocol")

    def _add_row(self, body: bytes) -> None:
        if self._open is None:
            raise Nonsense("a row without columns")
        self._size += len(body)
        if self._size > self._most:
            raise Nonsense(f"more than {self._most} bytes of rows")
        row = tuple(_values(body))
        if len(row) != len(self._open.columns):
            raise Nonsense("a row with other columns than its table")
        self._open.rows.append(row)

    def _answer(self) -> None:
        assert self._waiter is not None
        if self._error is not None:
            self._waiter.set_exception(self._error)
        else:
            self._waiter.set_result(self._tables)

    def _end(self, why: str) -> None:
        """There is no connection from here on; whoever waits is told, by the server's own reason where it gave one."""
        if not self._lost:
            self._lost = why
            self._buffer.clear()
            self._transport.abort()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error or asyncpg.ConnectionDoesNotExistError(self._lost))


def take_over(connection: Any) -> SimpleQuery:
    """The connection of a driver that has logged in and was asked nothing since. Raises ConnectError, and ends it.

    The driver has no door of its own for this: what is reached into is checked, so that another version of it is
    refused in words.
    """
    transport = getattr(connection, "_transport", None)
    before = transport.get_protocol() if isinstance(transport, asyncio.Transport) else None
    needed = ("connection_lost", "pause_writing", "resume_writing")
    if transport is None or not all(callable(getattr(before, name, None)) for name in needed):
        connection.terminate()
        why = "this version of asyncpg can't hand over its connection, which this way in needs"
        raise ConnectError(why, failure=Failure.OURS)
    simple = SimpleQuery(transport, before)
    transport.set_protocol(simple)
    return simple


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", errors="replace")


def _columns(body: bytes) -> Iterator[str]:
    """The names of a row description: each is followed by 18 bytes about its table and type."""
    count, at = int.from_bytes(body[:2], "big"), 2
    for _ in range(count):
        end = body.find(b"\0", at)
        if end < 0 or end + 19 > len(body):
            raise Nonsense("a torn description of a row")
        yield _text(body[at:end])
        at = end + 19
    if len(body) < 2 or at != len(body):
        raise Nonsense("a description of a row that is too long")


def _values(body: bytes) -> Iterator[bytes | None]:
    """Each value behind its length, which is -1 for NULL."""
    count, at = int.from_bytes(body[:2], "big"), 2
    for _ in range(count):
        if at + 4 > len(body):
            raise Nonsense("a torn row")
        length = int.from_bytes(body[at : at + 4], "big")
        at += 4
        if length == _NULL:
            yield None
            continue
        if at + length > len(body):
            raise Nonsense("a value that is longer than its row")
        yield body[at : at + length]
        at += length
    if len(body) < 2 or at != len(body):
        raise Nonsense("a row that is too long")


def _refusal(body: bytes) -> asyncpg.PostgresError:
    """An error by its fields: a letter and a text each."""
    fields = {part[:1].decode("latin-1"): _text(part[1:]) for part in body.split(b"\0") if part}
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"S": "ERROR", "C": "XX000", "M": "", **fields})
    return error
