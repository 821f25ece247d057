"""Link: the one connection, with a guarantee the driver does not give: it never opens a second one.

The driver answers a timeout or a cancelled task with a CancelRequest over a new connection, which a full or hung
server is the worst place for. So each statement runs in a task of its own that nobody cancels: a caller who is
cancelled leaves at once, the statement runs to its end (the server ends it after statement_timeout), and the next
caller waits for that. A statement that outlives ANSWER_S costs the connection: it is cut, without a word to the server.
What the server's side of it does then is told by its socket alone, which stays open for that: see abandoned.py.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from pgtop_conn.model.errors import NotPermitted, PollFailed, SourceLost
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.connection.handover import transport_of
from pgtop_conn.postgres.connection.own_settings import Connection, Runner, begin, insist, settle
from pgtop_conn.postgres.connection.tls import described
from pgtop_conn.postgres.connection.wire.message_limits import MessageLimits
from pgtop_conn.postgres.conninfo.conninfo import Host

#: Above statement_timeout, so that a living server answers first.
ANSWER_S = 5.0
CLOSE_S = 1.0

#: Each row gives its columns by name: the driver's records, or a dict where the driver gives none.
Rows: TypeAlias = Sequence[Any]

#: The driver's errors for a message that ends too early.
GARBLED = (BufferError, IndexError)
#: The last one of the driver's: the server has ended an idle session, and the end of the stream is not read yet.
_WENT_AWAY = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    OSError,
    asyncpg.InternalClientError,
    *GARBLED,
)
_NO_TEXT = "the server sent a name that is not in the encoding it announced"
_FAILED = {
    "57014": "the server took longer than the statement timeout of 3 s to answer",
    "22021": "this database's encoding keeps foreign query texts from being read: connect to a database in UTF8",
    "55P03": "a lock on a system catalog keeps the server from answering",
}


def server_text(error: asyncpg.PostgresError) -> str:
    """What the server said, its DETAIL once, on one clean line. Hints are for those who write statements."""
    # str(error) ends in DETAIL and HINT, and some of its hints are the driver's own.
    message = str(error.args[0]) if error.args else ""
    detail = getattr(error, "detail", None)
    return clean(one_line(f"{message}. {detail}" if detail else message))


def _seen(task: asyncio.Task[Rows]) -> None:
    """A statement whose caller has left must not complain of an unread exception."""
    if not task.cancelled():
        task.exception()


def _second_handle(connection: Connection) -> socket.socket | None:
    """The connection's socket once more, which stays open when the driver closes its own."""
    transport = transport_of(connection)
    handle = transport.get_extra_info("socket") if transport is not None else None
    return handle.dup() if handle is not None else None


def _say_we_left(witness: socket.socket | None) -> None:
    """End our half of the connection, so that a server that comes back to life finds nobody there."""
    if witness is not None:
        # The other end may be gone already.
        with suppress(OSError):
            witness.shutdown(socket.SHUT_WR)


class Link:
    """A connection to `host`. Statements are asked one at a time.

    `pooled` keeps them unnamed, and stays on until it is known that no pooler is between.
    """

    #: The emergency door it came in by; "" for an ordinary session.
    door = ""
    #: What it adds to the startup packet.
    startup: Mapping[str, str] = MappingProxyType({})

    def __init__(self, connection: Connection, host: Host) -> None:
        self.host = host
        self.pooled = True
        #: Whether a pooler, while there may be one, lets us open a transaction.
        self.transactions = True
        self.version_num = 0
        #: Who logged in; drawable.
        self.user = ""
        #: What was left out or read in another way at the login, a line each.
        self.notes: tuple[str, ...] = ()
        #: The pid told at the login; a pooler makes one up.
        self.announced_pid: int = connection.get_server_pid()
        #: What watches how much the server sends.
        self.watched: MessageLimits | None = None
        #: The error with which the server ended the session.
        self.last_word: asyncpg.PostgresError | None = None
        self._connection = connection
        #: What our settings are made with.
        self.settings: Runner = connection
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self._turn = asyncio.Lock()
        self._running: asyncio.Task[Rows] | None = None
        self._why = ""
        self._witness: socket.socket | None = None

    @property
    def encoding(self) -> str:
        """The database's encoding, as the server reported it."""
        return str(getattr(self._connection.get_settings(), "server_encoding", "UTF8"))

    @property
    def tls(self) -> str:
        """Version and cipher of our own connection; "" without TLS."""
        transport = transport_of(self._connection)
        return described(transport.get_extra_info("ssl_object")) if transport is not None else ""

    @property
    def endpoint(self) -> socket.socket | None:
        """Our end of the connection, to ask the kernel who is at the other; not to be read or written."""
        transport = transport_of(self._connection)
        return transport.get_extra_info("socket") if transport is not None else None

    @property
    def lost(self) -> bool:
        return bool(self._why) or self._connection.is_closed()

    @property
    def why_lost(self) -> str:
        """One line, for SourceLost."""
        ended = self._why or (self.watched.why_ended if self.watched is not None else "")
        return ended or "the server ended the session (terminated, idle timeout or shutdown)"

    async def fetch(self, text: str, *arguments: object) -> Rows:
        """Every row of one statement. Raises SourceLost; a server's refusal arrives as asyncpg.PostgresError."""
        async with self._turn:
            await self._settle()
            if self.lost:
                raise SourceLost(self.why_lost)
            task = self._running = asyncio.create_task(self.ask(text, arguments))
            task.add_done_callback(_seen)
            await self._settle()
        try:
            return task.result()
        except asyncpg.PostgresConnectionError as error:
            raise self._gone(error) from None
        except asyncpg.PostgresError as error:
            if self._connection.is_closed():
                raise self._gone(error) from None
            raise
        except _WENT_AWAY as error:
            raise self._gone(error) from None
        except UnicodeDecodeError:
            # What the driver has read of the answer is not known.
            self.cut(_NO_TEXT)
            raise SourceLost(self._why) from None

    async def read(self, text: str, *arguments: object) -> Rows:
        """As fetch(), for polls: a server's refusal is PollFailed, NotPermitted where our role may not read it."""
        try:
            return await self.fetch(text, *arguments)
        except asyncpg.InsufficientPrivilegeError as error:
            raise NotPermitted(server_text(error)) from None
        except asyncpg.PostgresError as error:
            raise PollFailed(_FAILED.get(error.sqlstate or "", "") or server_text(error)) from None

    async def prepare(self) -> None:
        """Our settings for the whole session, when it is known that no pooler is between."""
        await self.prepare_output()
        await settle(self.settings, self.version_num)
        if self.encoding != "UTF8":
            # Bytes as they are stored, instead of a conversion that fails or garbles them.
            await insist(self.settings, "SET client_encoding = 'SQL_ASCII'")

    async def prepare_output(self) -> None:
        """The driver needs no notices, and debug output may be long."""
        await insist(self.settings, "SET client_min_messages = warning")

    async def ask(self, text: str, arguments: Sequence[Any]) -> Rows:
        """What the server answers to one statement, asked at once; fetch() calls it when it is the statement's turn."""
        if self.pooled:
            ask = self._ask_in_transaction if self.transactions else self._ask_unnamed
            return await ask(text, arguments)
        prepared = self._prepared.get(text)
        if prepared is None:
            name = f"pgtop_conn_{len(self._prepared)}"
            prepared = self._prepared[text] = await self._connection.prepare(text, name=name)
        return await prepared.fetch(*arguments)

    async def _ask_in_transaction(self, text: str, arguments: Sequence[Any]) -> Rows:
        """With our settings for this statement alone, since another client may have the server's session next."""
        await begin(self.settings)
        try:
            rows = await self._ask_unnamed(text, arguments)
        except asyncpg.PostgresError:
            if not self._connection.is_closed():
                await self.settings.execute("ROLLBACK")
            raise
        await self.settings.execute("COMMIT")
        return rows

    async def _ask_unnamed(self, text: str, arguments: Sequence[Any]) -> Rows:
        return await self._connection.fetch(text, *arguments)

    async def _settle(self) -> None:
        """Wait until the running statement has ended; cut the connection when it does not end in time."""
        task = self._running
        if task is None:
            return
        done, _ = await asyncio.wait({task}, timeout=ANSWER_S)
        if not done:
            self._witness = _second_handle(self._connection)
            self.cut(f"no answer from the server in {ANSWER_S:.0f} s")
            _say_we_left(self._witness)
            await asyncio.wait({task})
        self._running = None

    def take_witness(self) -> socket.socket | None:
        """The open socket of a connection that was cut for want of an answer; the caller closes it."""
        witness, self._witness = self._witness, None
        return witness

    def _gone(self, error: BaseException) -> SourceLost:
        # The reason the server gave hangs on the driver's own error as its cause.
        cause = error.__cause__
        said = cause if isinstance(cause, asyncpg.PostgresError) else error
        told = "the server sent what is not PostgreSQL's protocol" if isinstance(error, GARBLED) else ""
        if isinstance(said, asyncpg.PostgresError) and not (self.watched is not None and self.watched.why_ended):
            told = server_text(said)
            # The driver's own errors borrow the class, and have no severity.
            self.last_word = said if getattr(said, "severity", None) is not None else None
        if not self._why:
            self.cut(told or self.why_lost)
        return SourceLost(self._why)

    def cut(self, why: str) -> None:
        """End it without asking the server; what is running ends with an error at once."""
        self._why = self._why or why
        self._connection.terminate()

    async def close(self) -> None:
        """End it politely when nothing is running, otherwise at once; takes at most about a second."""
        if self._running is not None or self.lost:
            self.cut("the session was closed")
            if self._running is not None:
                await asyncio.wait({self._running})
                self._running = None
            if (witness := self.take_witness()) is not None:
                witness.close()
            return
        self._why = "the session was closed"
        try:
            await self._connection.close(timeout=CLOSE_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self._connection.terminate()
