"""Login: where to connect to, as it was typed. Add an option of the connection: here, and in commands/common/parser.py.

Loaded for bad input: nothing here loads more than the errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgtop_conn.model.errors import BadInput


@dataclass(frozen=True, slots=True)
class Login:
    """Where to connect to, as typed: psql's CONNINFO and its letters. Passwords never come from argv."""

    conninfo: str | None = None
    host: str | None = None
    port: str | None = None
    user: str | None = None
    database: str | None = None
    never_ask: bool = False
    always_ask: bool = False
    #: Seconds for all hosts and addresses together, where no connect_timeout was typed; None for any time.
    patience_s: float | None = None
    #: The whole command line, for the next one to type.
    typed: tuple[str, ...] = ()


def login_of(found: Mapping[str, Any], typed: tuple[str, ...] = ()) -> Login:
    """The connection part of the command line, which is `typed`; -d may hold a whole CONNINFO, as with psql.

    Raises BadInput.
    """
    conninfo, database = found.get("conninfo"), found.get("dbname")
    if conninfo is None and database and ("=" in database or "://" in database):
        conninfo, database = database, None
    if found.get("no_password") and found.get("password"):
        raise BadInput("expected -w or -W, not both")
    return Login(
        conninfo=conninfo,
        host=found.get("host"),
        port=found.get("port"),
        user=found.get("username"),
        database=database,
        never_ask=found.get("no_password", False),
        always_ask=found.get("password", False),
        typed=typed,
    )
