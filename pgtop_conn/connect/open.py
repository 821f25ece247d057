"""From what the user typed to an open Source: the one place where commands and screen get their session from."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from pgtop_conn import config, folders
from pgtop_conn.connect.attempts import Way, enter
from pgtop_conn.connect.login import Login
from pgtop_conn.model.errors import ConnectError, Failure, SlotsExhausted
from pgtop_conn.model.source import Source
from pgtop_conn.sources.journaled import Journaled
from pgtop_conn.sources.role_memory import RoleMemory, trouble
from pgtop_conn.terminal.console import tell
from pgtop_conn.terminal.prompts import can_ask, password, yes


async def open_source(
    login: Login, environ: Mapping[str, str], settings: config.Settings, *, offers: bool = False
) -> Source:
    """Open the one session, asking for a password on the terminal when the server wants one.

    `offers`: when no slot is free, the ways that are left are offered one after another on the terminal.
    Raises BadInput or ConnectError, each a line for the user; SlotsExhausted comes with advice.
    """
    from pgtop_conn.postgres.conninfo.conninfo import resolve

    info = resolve(
        login.conninfo,
        host=login.host,
        port=login.port,
        user=login.user,
        database=login.database,
        environ=environ,
    )
    if login.patience_s is not None:
        info = info.within(login.patience_s)
    if login.always_ask:
        info = info.with_password(_ask(info.user))
    may_ask = not (login.never_ask or login.always_ask) and can_ask()
    way = Way(info, _ask if may_ask else None, folders.state_folders(environ), login.typed)
    # -w asks for a monitor that puts no question.
    may_offer = offers and not login.never_ask and sys.stdin.isatty() and can_ask()
    if said := trouble(folders.state_folders(environ)):
        tell(f"{said}; the host door protects every role until it is deleted, and what is seen now goes to a new one")
    try:
        source = await enter(way, door=settings.door, wait=settings.wait, offer=yes if may_offer else None)
    except SlotsExhausted as error:
        # With shlex and its patterns 4 ms, for those who are refused.
        from pgtop_conn.connect.advice import RefusedLogin, advice

        error.advice = advice(RefusedLogin(error, info, login.typed, way.host_is_at_hand, _nearby(error)))
        raise
    return Journaled(RoleMemory(source, folders.state_folder()), folders.journal_file())


def _nearby(error: SlotsExhausted) -> bool:
    """Whether the server may be on this machine, as far as the address tells."""
    from pgtop_conn.postgres.connection.slot_refusals import is_loopback
    from pgtop_conn.postgres.conninfo.conninfo import Host

    host = Host(error.host, error.port)
    return host.is_socket or is_loopback(host)


def _ask(user: str) -> str:
    if not can_ask():
        raise ConnectError(
            "a password is needed and there is no terminal to ask for it: use .pgpass or PGPASSWORD",
            failure=Failure.OURS,
        )
    try:
        return password(f"Password for user {user}: ")
    except EOFError:
        raise ConnectError("no password was given", failure=Failure.OURS) from None
