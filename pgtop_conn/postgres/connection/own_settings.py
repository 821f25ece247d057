"""The settings our statements run under, whatever the role, the database or the server's file has set.

Until it is known that no pooler is between, and behind one for good, they hold for one transaction at a time.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import asyncpg

from pgtop_conn.postgres.statements import TRANSACTION_TIMEOUT_SINCE, statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Runner(Protocol):
    """Runs statements without rows: the driver's connection, or what speaks in its place."""

    async def execute(self, query: str, /) -> object:
        """Raises asyncpg.PostgresError."""

    def is_closed(self) -> bool: ...

    def is_in_transaction(self) -> bool: ...

    def get_server_version(self) -> Any:
        """With `major`."""


#: Said outright: the role's own default may be one that a standby refuses, or that waits for others.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE"
#: One by one, and before anything that takes longer: a statement of its own is timed by what was set before it.
_TRANSACTION_TIMEOUT = "SET LOCAL transaction_timeout = 0"
_TIMEOUTS = (
    "SET LOCAL statement_timeout = '3s'",
    "SET LOCAL exit_on_error = off",
    "SET LOCAL idle_in_transaction_session_timeout = '10s'",
)
#: A timeout of a millisecond ends even a SET now and then on a busy server.
_TRIES = 20


#: For a role that may not call set_config(): those that every server knows.
_WITHOUT_SET_CONFIG = (
    "SET {}search_path = pg_catalog, pg_temp",
    "SET {}lock_timeout = '500ms'",
    "SET {}work_mem = '16MB'",
    "SET {}jit = off",
    "SET {}max_parallel_workers_per_gather = 0",
)
_OF_A_SESSION = (
    "SET statement_timeout = '3s'",
    "SET exit_on_error = off",
    "SET idle_in_transaction_session_timeout = '10s'",
    "SET default_transaction_read_only = on",
    "SET default_transaction_isolation = 'read committed'",
    "SET default_transaction_deferrable = off",
)
_IDLE_SESSION_TIMEOUT_SINCE = 140000


async def settle(connection: Runner, version_num: int) -> None:
    """Our settings for the whole session. Raises asyncpg.PostgresError."""
    await begin(connection)
    try:
        await connection.execute(statement("settings"))
    except asyncpg.InsufficientPrivilegeError:
        await _roll_back(connection)
        for text in (*_OF_A_SESSION, *(one.format("") for one in _WITHOUT_SET_CONFIG)):
            await insist(connection, text)
        if version_num >= _IDLE_SESSION_TIMEOUT_SINCE:
            await insist(connection, "SET idle_session_timeout = 0")
        if version_num >= TRANSACTION_TIMEOUT_SINCE:
            await insist(connection, "SET transaction_timeout = 0")
    else:
        await connection.execute("COMMIT")


async def begin(connection: Runner) -> None:
    """Open a transaction that has our settings. Raises asyncpg.PostgresError; no transaction is open then."""
    knows_timeout = connection.get_server_version().major * 10_000 >= TRANSACTION_TIMEOUT_SINCE
    rest: tuple[str, ...] = (statement("settings_local"),)
    try:
        await insist(connection, _opening(knows_timeout, rest))
    except asyncpg.InsufficientPrivilegeError:
        rest = tuple(one.format("LOCAL ") for one in _WITHOUT_SET_CONFIG)
        await insist(connection, _opening(knows_timeout, rest))
    except asyncpg.UndefinedObjectError:
        # A pooler may tell of another version than the server's.
        await insist(connection, _opening(not knows_timeout, rest))


def _opening(knows_timeout: bool, rest: tuple[str, ...]) -> str:
    first = (_BEGIN, _TRANSACTION_TIMEOUT) if knows_timeout else (_BEGIN,)
    return "; ".join((*first, *_TIMEOUTS, *rest))


async def insist(connection: Runner, text: str) -> None:
    """Run a simple statement, again when a timeout that it is about to lift ends it. Raises asyncpg.PostgresError."""
    for tries_left in reversed(range(_TRIES)):
        try:
            await connection.execute(text)
            return
        except asyncpg.PostgresError as error:
            await _roll_back(connection)
            if not isinstance(error, asyncpg.QueryCanceledError) or not tries_left:
                raise


async def _roll_back(connection: Runner) -> None:
    """Leave a transaction that failed, if there is one and the connection lives."""
    for _ in range(_TRIES):
        if connection.is_closed() or not connection.is_in_transaction():
            return
        try:
            await connection.execute("ROLLBACK")
        except asyncpg.QueryCanceledError:
            continue
