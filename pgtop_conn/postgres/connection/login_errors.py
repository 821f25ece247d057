"""Turn a failed login into one line for the user, and say whose trouble it is (Failure)."""

from __future__ import annotations

import errno
import socket
import ssl

import asyncpg

from pgtop_conn.model.errors import ConnectError, Failure, PasswordNeeded, SlotsExhausted
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.connection.link import GARBLED, server_text
from pgtop_conn.postgres.connection.pooler_refusals import SQLSTATES, PoolerText, pooler_text, servers_text
from pgtop_conn.postgres.connection.slot_refusals import SQLSTATE, UNKNOWN, exhausted, passed_on, refusal_of
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, Host

#: What may be wrong on the way in; anything else is our own mistake and shows as one.
_TROUBLE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    ValueError,
    *GARBLED,
)
#: What this machine forbids, or has no more of; for TCP the first two are the word of a firewall.
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_USED_UP = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: The server starts, stops or recovers.
_STARTING = ("57P01", "57P02", "57P03")
#: SQLSTATE classes by which a server says that it can serve nobody: out of resources, stopped by hand, broken.
_SERVES_NOBODY = ("53", "57", "58", "XX")


class NoServer(ConnectError):
    """Nothing listens there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, failure=Failure.UNREACHABLE)


def is_trouble(error: BaseException) -> bool:
    """Whether explained() has a line for it."""
    return isinstance(error, _TROUBLE) and not isinstance(error, TimeoutError)


def explained(error: BaseException, info: ConnInfo, host: Host) -> ConnectError:
    """The line for it."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate and not _is_ours(error):
        return _refused(error, info, host)
    if isinstance(error, ssl.SSLCertVerificationError):
        text = clean(f"SSL: the certificate of {host} is not accepted: {error.verify_message}")
        return ConnectError(text, failure=Failure.LOGIN)
    if isinstance(error, ssl.SSLError):
        text = clean(f"SSL with {host} failed: {one_line(error.reason or str(error))}")
        return ConnectError(text, failure=Failure.LOGIN)
    if isinstance(error, socket.gaierror):
        return NoServer(clean(f'host "{host.dialled}" not found: {error.strerror}'))
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)):
        return NoServer(f"no server at {host}: {_reason(error)}")
    if isinstance(error, (asyncpg.ConnectionDoesNotExistError, ConnectionError)):
        text = f"{host} closed the connection during the login: is it PostgreSQL, and does its log say why?"
        return ConnectError(text, failure=Failure.UNREACHABLE)
    if isinstance(error, OSError) and error.strerror:
        ours = error.errno in _USED_UP or (host.is_socket and error.errno in _FORBIDDEN)
        text = clean(f"cannot connect to {host}: {error.strerror}")
        return ConnectError(text, failure=Failure.OURS if ours else Failure.UNREACHABLE)
    if isinstance(error, GARBLED):
        return ConnectError(f"what {host} says makes no sense: is it PostgreSQL?", failure=Failure.UNREACHABLE)
    # What the driver can't make out, or can't do.
    return ConnectError(clean(f"cannot connect to {host}: {one_line(str(error))}"), failure=Failure.LOGIN)


def _is_ours(error: asyncpg.PostgresError) -> bool:
    """The driver's own errors borrow the class; without a severity no server sent them."""
    return getattr(error, "severity", None) is None


def _reason(error: BaseException) -> str:
    return "no such socket" if isinstance(error, FileNotFoundError) else "connection refused"


def _refused(error: asyncpg.PostgresError, info: ConnInfo, host: Host) -> ConnectError:
    text, code = server_text(error), error.sqlstate or ""
    if code == "28P01":
        why = f" ({host.no_password})" if host.no_password else ""
        if host.password:
            return PasswordNeeded(text, code)
        return PasswordNeeded(clean(f"the server at {host} asks for the password of {info.user}") + why, code)
    function = getattr(error, "server_source_function", None) or ""
    if code == SQLSTATE and refusal_of(text, function) is not UNKNOWN:
        return exhausted(text, host, function)
    if code in SQLSTATES:
        inner, said = passed_on(servers_text(text)), pooler_text(text)
        if inner is not None:
            return exhausted(text, host, refusal=inner)
        if said is not None:
            return _by_pooler(said, text, code, host)
    if code == SQLSTATE:
        return exhausted(text, host, function)
    failure = Failure.UNABLE if code.startswith(_SERVES_NOBODY) else Failure.LOGIN
    return ConnectError(text, code, failure=Failure.STARTING if code in _STARTING else failure)


def _by_pooler(said: PoolerText, text: str, code: str, host: Host) -> ConnectError:
    line = f"{text} — {said.meaning}"
    if said.failure.is_full:
        return SlotsExhausted(line, code, "pooler", host.name, host.port, failure=said.failure)
    return ConnectError(line, code, failure=said.failure)
