"""The walsender door: a replication connection, which takes no slot of max_connections, asked the same questions.

It speaks the simple protocol only, which carries no arguments, and the driver drops the rows of simple statements. So
each statement becomes the body of a DO block that raises its rows as one NOTICE of JSON. Arguments are written into
the text: numbers, words of a closed set and hexadecimal digits, and nothing else whatever the server or the user says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from asyncpg.exceptions import PostgresLogMessage

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
from pgtop_conn.postgres.facts import SETTINGS
from pgtop_conn.postgres.link import Link, Rows
from pgtop_conn.postgres.own_settings import insist

#: What makes the JSON the same on every server, whatever the role or the database has set.
OUTPUT = (
    "SET statement_timeout = '3s'; SET exit_on_error = off;"
    " SET client_min_messages = notice; SET bytea_output = hex; SET extra_float_digits = 1"
)

#: Words that may stand in a statement: states and types that can be signalled.
_WORDS = frozenset({ACTIVE, IDLE, IN_TRANSACTION, ABORTED, FASTPATH, DISABLED, CLIENT_BACKEND, WALSENDER})
_DIGITS = re.compile(r"-?[0-9]{1,19}|[0-9a-f]{0,512}")
_PLACE = re.compile(r"\$([1-9][0-9]?)\b")
#: Columns that the statements send as bytes (textsend), by name.
_BYTES = frozenset({"name", "query", "role", "database", "value", "shown", "entry"})
#: Settings that a diagnosis names.
_NAMES = frozenset(SETTINGS)

_BLOCK = """DO LANGUAGE plpgsql $pgtop_conn$ BEGIN RAISE NOTICE USING MESSAGE = coalesce((
SELECT pg_catalog.json_agg(pg_catalog.row_to_json(one)) FROM (
{}
) AS one)::pg_catalog.text, '[]'); END $pgtop_conn$"""


class WalsenderLink(Link):
    """A Link whose session is a walsender."""

    door = WALSENDER_DOOR
    startup = MappingProxyType({"replication": "database"})

    async def prepare_output(self) -> None:
        """Before the first statement."""
        await insist(self._connection, OUTPUT)

    async def _ask(self, text: str, arguments: Sequence[Any]) -> Rows:
        """The simple protocol names no statement."""
        ask = self._ask_in_transaction if self.pooled else self._ask_unnamed
        return await ask(text, arguments)

    async def _ask_unnamed(self, text: str, arguments: Sequence[Any]) -> Rows:
        said: list[str] = []

        def listen(_connection: object, message: PostgresLogMessage) -> None:
            if message.severity_en == "NOTICE":
                said.append(message.message)

        self._connection.add_log_listener(listen)
        try:
            await self._connection.execute(written(text, arguments))
        finally:
            self._connection.remove_log_listener(listen)
        return [_row(found) for found in json.loads(said[-1])] if said else []


def written(text: str, arguments: Sequence[object]) -> str:
    """The statement as a block that raises its rows.

    >>> written("SELECT $1::int4", [4711]).splitlines()[2]
    'SELECT (4711)::int4'
    """
    return _BLOCK.format(_PLACE.sub(lambda place: _literal(arguments[int(place[1]) - 1]), text))


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


def _row(found: dict[str, Any]) -> dict[str, Any]:
    for name in _BYTES & found.keys():
        value = found[name]
        if isinstance(value, str) and value.startswith("\\x"):
            found[name] = bytes.fromhex(value.removeprefix("\\x"))
    return found
