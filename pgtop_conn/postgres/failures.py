"""What a login that failed is told as: one line for the user, never the driver's own words where they say less."""

from __future__ import annotations

import socket
import ssl

import asyncpg

from pgtop_conn.model.errors import ConnectError, PasswordNeeded
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.conninfo import ConnInfo, Host
from pgtop_conn.postgres.link import server_text
from pgtop_conn.postgres.refused import SQLSTATE, exhausted

#: What may be wrong on the way in; anything else is our own mistake and shows as one.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)


class NoServer(ConnectError):
    """Nothing listens there."""


def is_trouble(error: BaseException) -> bool:
    """Whether explained() has a line for it."""
    return isinstance(error, _TROUBLE) and not isinstance(error, TimeoutError)


def explained(error: BaseException, info: ConnInfo, host: Host) -> ConnectError:
    """The line for it."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate and not _is_ours(error):
        return _refused(error, info, host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectError(clean(f"SSL: the certificate of {host} is not accepted: {error.verify_message}"))
    if isinstance(error, ssl.SSLError):
        return ConnectError(clean(f"SSL with {host} failed: {one_line(error.reason or str(error))}"))
    if isinstance(error, socket.gaierror):
        return NoServer(clean(f'host "{host.dialled}" not found: {error.strerror}'))
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        return NoServer(f"no server at {host}: {_reason(error)}")
    if isinstance(error, (asyncpg.ConnectionDoesNotExistError, ConnectionError)):
        return ConnectError(
            f"{host} closed the connection during the login: is it PostgreSQL, and does its log say why?"
        )
    text = one_line(str(error))
    if isinstance(error, OSError) and error.strerror:
        return ConnectError(clean(f"cannot connect to {host}: {error.strerror}"))
    return ConnectError(clean(f"cannot connect to {host}: {text}"))


def _is_ours(error: asyncpg.PostgresError) -> bool:
    """The driver's own errors borrow the class; without a severity no server sent them."""
    return getattr(error, "severity", None) is None


def _reason(error: BaseException) -> str:
    return "no such socket" if isinstance(error, FileNotFoundError) else "connection refused"


def _refused(error: asyncpg.PostgresError, info: ConnInfo, host: Host) -> ConnectError:
    text, code = server_text(error), error.sqlstate
    if code == "28P01":
        why = f" ({host.no_password})" if host.no_password else ""
        if host.password:
            return PasswordNeeded(text, code)
        return PasswordNeeded(clean(f"the server at {host} asks for the password of {info.user}") + why, code)
    if code == SQLSTATE:
        return exhausted(str(error), host, getattr(error, "server_source_function", None) or "")
    return ConnectError(text, code)
