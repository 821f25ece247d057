"""The walsender door: a replication connection, which takes no slot of max_connections, asked the same questions.

It speaks the simple protocol only, which carries no arguments and gives every value as text. So each statement becomes
one whose rows are JSON, which tells numbers from texts. Arguments are written into the text: numbers, words of a closed
set and hexadecimal digits, and nothing else whatever the server or the user says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.snapshot import (
    ABORTED,
    ACTIVE,
    CLIENT_BACKEND,
    DISABLED,
    FASTPATH,
    IDLE,
    IN_TRANSACTION,
    WALSENDER,
    WALSENDER_DOOR,
)
from pgtop_conn.model.text import decode
from pgtop_conn.postgres.connection.link import Link, Rows
from pgtop_conn.postgres.connection.own_settings import Connection, insist
from pgtop_conn.postgres.connection.setting_names import SETTINGS
from pgtop_conn.postgres.conninfo.conninfo import Host
from pgtop_conn.postgres.console import SimpleQuery, take_over

#: What makes the JSON the same on every server, whatever the role or the database has set.
OUTPUT = (
    "SET statement_timeout = '3s'; SET exit_on_error = off; SET client_min_messages = warning;"
    " SET bytea_output = hex; SET extra_float_digits = 1"
)

#: Words that may stand in a statement: states and types that can be signalled.
_WORDS = frozenset({ACTIVE, IDLE, IN_TRANSACTION, ABORTED, FASTPATH, DISABLED, CLIENT_BACKEND, WALSENDER})
_DIGITS = re.compile(r"-?[0-9]{1,19}|[0-9a-f]{0,512}")
_PLACE = re.compile(r"\$([1-9][0-9]?)\b")
#: Columns that the statements send as bytes (textsend), by name.
_BYTES = frozenset({"name", "query", "role", "database", "value", "shown", "entry"})
#: Settings that a diagnosis names.
_NAMES = frozenset(SETTINGS)

_AS_JSON = """SELECT pg_catalog.row_to_json(one)::pg_catalog.text
FROM (
{}
) AS one"""


class _Simple:
    """Runs statements without rows over the connection that was taken over (own_settings.Runner)."""

    def __init__(self, connection: Connection, simple: SimpleQuery) -> None:
        self._connection = connection
        self._simple = simple

    async def execute(self, query: str, /) -> None:
        await self._simple.query(query)

    def is_closed(self) -> bool:
        return self._simple.lost or self._connection.is_closed()

    def is_in_transaction(self) -> bool:
        return self._simple.in_transaction

    def get_server_version(self) -> Any:
        return self._connection.get_server_version()


class WalsenderLink(Link):
    """A Link whose session is a walsender."""

    door = WALSENDER_DOOR
    startup = MappingProxyType({"replication": "database"})

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._simple = take_over(connection)
        self.settings = _Simple(connection, self._simple)

    async def prepare_output(self) -> None:
        """Before the first statement."""
        await insist(self.settings, OUTPUT)

    async def _ask_unnamed(self, text: str, arguments: Sequence[Any]) -> Rows:
        tables = await self._simple.query(written(text, arguments))
        return [_row(*values) for table in tables for values in table.rows]

    async def ask(self, text: str, arguments: Sequence[Any]) -> Rows:
        """The simple protocol names no statement."""
        ask = self._ask_in_transaction if self.pooled else self._ask_unnamed
        return await ask(text, arguments)


def written(text: str, arguments: Sequence[object]) -> str:
    """The statement as one whose rows are JSON.

    >>> written("SELECT $1::int4", [4711]).splitlines()[2]
    'SELECT (4711)::int4'
    """
    return _AS_JSON.format(_PLACE.sub(lambda place: _literal(arguments[int(place[1]) - 1]), text))


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int():
            return f"({value})"
        case float() if math.isfinite(value):
            return f"({value!r})"
        case str() if value in _WORDS:
            return f"'{value}'"
        case list() if all(one in _NAMES or (isinstance(one, str) and _DIGITS.fullmatch(one)) for one in value):
            return "ARRAY[" + ", ".join(f"'{one}'" for one in value) + "]"
    raise PollFailed("this can't be asked through the walsender door")


def _row(value: bytes | None = None, *others: bytes | None) -> dict[str, Any]:
    """One row of it. Raises PollFailed for what no such statement answers."""
    try:
        found = json.loads(decode(value or b""))
    # Nested too deep, or a number of too many digits: Python's own limits.
    except (ValueError, RecursionError):
        found = None
    if others or not isinstance(found, dict):
        raise PollFailed("what the server answered through the walsender door can't be read")
    for name in _BYTES & found.keys():
        value = found[name]
        if isinstance(value, str) and value.startswith("\\x"):
            found[name] = bytes.fromhex(value.removeprefix("\\x"))
    return found
