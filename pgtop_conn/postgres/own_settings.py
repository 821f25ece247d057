"""The settings our statements run under, whatever the role, the database or the server's file has set.

Until it is known that no pooler is between, and behind one for good, they hold for one transaction at a time.
"""

from __future__ import annotations

from typing import TypeAlias

import asyncpg

from pgtop_conn.postgres.statements import TRANSACTION_TIMEOUT_SINCE, statement

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

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


async def begin(connection: Connection) -> None:
    """Open a transaction that has our settings. Raises asyncpg.PostgresError; no transaction is open then."""
    knows_timeout = connection.get_server_version().major * 10_000 >= TRANSACTION_TIMEOUT_SINCE
    try:
        await insist(connection, _opening(knows_timeout))
    except asyncpg.UndefinedObjectError:
        # A pooler may tell of another version than the server's.
        await insist(connection, _opening(not knows_timeout))


def _opening(knows_timeout: bool) -> str:
    first = (_BEGIN, _TRANSACTION_TIMEOUT) if knows_timeout else (_BEGIN,)
    return "; ".join((*first, *_TIMEOUTS, statement("settings_local")))


async def insist(connection: Connection, text: str) -> None:
    """Run a simple statement, again when a timeout that it is about to lift ends it. Raises asyncpg.PostgresError."""
    for tries_left in reversed(range(_TRIES)):
        try:
            await connection.execute(text)
            return
        except asyncpg.PostgresError as error:
            await _roll_back(connection)
            if not isinstance(error, asyncpg.QueryCanceledError) or not tries_left:
                raise


async def _roll_back(connection: Connection) -> None:
    """Leave a transaction that failed, if there is one and the connection lives."""
    for _ in range(_TRIES):
        if connection.is_closed() or not connection.is_in_transaction():
            return
        try:
            await connection.execute("ROLLBACK")
        except asyncpg.QueryCanceledError:
            continue
