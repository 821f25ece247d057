"""From what the user typed to an open Source: the one place where commands and screen get their session from."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pgtop_conn import config
from pgtop_conn.audit import Audited
from pgtop_conn.model.errors import ConnectError, PasswordNeeded
from pgtop_conn.model.source import Source


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


async def open_source(login: Login, environ: Mapping[str, str]) -> Source:
    """Open the one session, asking for a password on the terminal when the server wants one.

    Raises BadInput or ConnectError, each a line for the user.
    """
    from pgtop_conn.postgres.conninfo import resolve
    from pgtop_conn.postgres.session import Session

    info = resolve(
        login.conninfo,
        host=login.host,
        port=login.port,
        user=login.user,
        database=login.database,
        environ=environ,
    )
    if login.always_ask:
        info = info.with_password(_ask(info.user))
    try:
        session = await Session.open(info)
    except PasswordNeeded:
        if login.never_ask or login.always_ask or info.password is not None or not _can_ask():
            raise
        session = await Session.open(info.with_password(_ask(info.user)))
    return Audited(session, config.journal_file())


def _can_ask() -> bool:
    """Whether there is a terminal to ask on; getpass would fall back to echoing stdin otherwise."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _ask(user: str) -> str:
    if not _can_ask():
        raise ConnectError("a password is needed and there is no terminal to ask for it: use .pgpass or PGPASSWORD")
    try:
        return getpass.getpass(f"Password for user {user}: ")
    except EOFError:
        raise ConnectError("no password was given") from None
