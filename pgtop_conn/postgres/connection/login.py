"""One login at one host: with TLS and without in libpq's order, each on a socket of its own, one after the other."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg

from pgtop_conn.model.errors import ConnectError, Failure
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.connection import tls
from pgtop_conn.postgres.connection.handover import HandedOver, connected, tls_arguments, unusable
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.connection.login_errors import explained, is_trouble
from pgtop_conn.postgres.connection.socket import Address, NoTls, ask_for_tls, check_peer, dial
from pgtop_conn.postgres.connection.wire.auth_filter import AuthFilter
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, Host
from pgtop_conn.postgres.conninfo.tls_options import attempts

#: The server has no pg_hba line for a login of this kind: one of the other kind may have one.
NOT_PERMITTED = "28000"
#: Refusals that have nothing to do with TLS: wrong password, no slot, no such database, starting up.
_FINAL = ("28P01", "53300", "3D000", "57P03")
#: The server can't put its database's encoding (MULE_INTERNAL), or what a trigger says there at a login (SQL_ASCII),
#: into UTF-8: it is asked for the bytes as they are.
_NO_CONVERSION = ("0A000", "22021")
#: What a pooler says of startup parameters that it does not know.
_UNSUPPORTED = "unsupported startup parameter"
#: What the driver puts before the reason.
_IN_THE_EXCHANGE = "unexpected error while performing authentication: "
_NO_OPTIONS = "options are left out: what is in between (a pooler) refuses them"


class Handshake(ConnectError):
    """TLS could not be agreed on; nothing was sent that mattered."""


@dataclass(slots=True)
class _Login:
    """What one login is tried with; it changes from one attempt to the next."""

    info: ConnInfo
    host: Host
    address: Address
    kind: type[Link]
    options: str
    encoding: str = ""
    notes: list[str] = field(default_factory=list)


async def login(info: ConnInfo, host: Host, address: Address, kind: type[Link]) -> Link:
    """Logged in at one address of the host, nothing asked yet. Raises ConnectError."""
    if why := unusable():
        raise ConnectError(why, failure=Failure.OURS)
    trying = _Login(info, host, address, kind, info.options)
    try:
        return await _try_each(trying)
    except ConnectError as error:
        if error.sqlstate in _NO_CONVERSION:
            trying.encoding = "SQL_ASCII"
            return await _try_each(trying)
        if not trying.options or _UNSUPPORTED not in str(error):
            raise
    # A monitor gets in where a client that needs its options would not.
    trying.options = ""
    link = await _try_each(trying)
    link.notes = (*link.notes, _NO_OPTIONS)
    return link


async def _try_each(trying: _Login) -> Link:
    """libpq's order: after an attempt that failed for the want or the presence of TLS, the other one."""
    ways = (False,) if trying.host.is_socket else attempts(trying.info.sslmode)
    first: ConnectError | None = None
    for with_tls in ways:
        try:
            link = await _attempt(trying, with_tls)
        except ConnectError as error:
            if first is not None:
                raise _both(first, error) from None
            final = error.sqlstate in (None, *_FINAL) or error.failure is not Failure.LOGIN
            if final and not isinstance(error, Handshake):
                raise
            first = error
            continue
        if isinstance(first, Handshake):
            trying.notes.append(f"connected without TLS, since {first}")
        link.notes = (*trying.info.notes, *trying.notes)
        return link
    assert first is not None
    raise first


def _both(first: ConnectError, second: ConnectError) -> ConnectError:
    """What the second attempt says, and the first where that is another thing."""
    if str(first) == str(second):
        return second
    if second.sqlstate == NOT_PERMITTED and first.sqlstate is not None:
        return first
    second.args = (f"{second}; before that: {first}",)
    if second.failure is Failure.UNREACHABLE:
        # Somebody answered before.
        second.failure = first.failure
    return second


async def _attempt(trying: _Login, with_tls: bool) -> Link:
    """One connection. Whatever goes wrong, it is closed."""
    handed: HandedOver | None = None
    handle: socket.socket | None = None
    try:
        handle = await dial(trying.info, trying.address)
        if trying.info.require_peer and trying.host.is_socket:
            check_peer(handle, trying.info.require_peer)
        with_tls = with_tls and await _agreed(trying, handle)
        handed = _handed_over(trying, handle, with_tls)
        connection = await connected(handed, _arguments(trying, with_tls))
    except BaseException as error:
        _close(handed, handle)
        if handed is not None and handed.auth_filter is not None and handed.auth_filter.refusal is not None:
            raise handed.auth_filter.refusal from None
        if isinstance(error, ssl.SSLError):
            raise Handshake(str(explained(error, trying.info, trying.host)), failure=Failure.LOGIN) from None
        if with_tls and _is_handshake(error, handed):
            text = f"SSL with {trying.host} failed: the connection was closed in the handshake"
            raise Handshake(text, failure=Failure.UNREACHABLE) from None
        if isinstance(error, asyncpg.InternalClientError) and (method := _exchanging(handed)):
            # The driver's words for an exchange that makes no sense, and those of the Kerberos library.
            text = one_line(str(error).removeprefix(_IN_THE_EXCHANGE))
            raise ConnectError(clean(f"{method} with {trying.host} failed: {text}"), failure=Failure.LOGIN) from None
        if is_trouble(error):
            raise explained(error, trying.info, trying.host) from None
        raise
    assert handed.auth_filter is not None
    link = trying.kind(connection, trying.host)
    link.user = clean(trying.info.user)
    link.watched = handed.auth_filter.watched
    return link


async def _agreed(trying: _Login, handle: socket.socket) -> bool:
    """Whether a TLS handshake is to follow; without one only where sslmode lets it be."""
    if trying.info.tls.direct:
        return True
    try:
        await ask_for_tls(handle)
    except NoTls:
        if trying.info.sslmode == "prefer":
            return False
        raise ConnectError(
            f"the server at {trying.host} has no SSL, and sslmode={trying.info.sslmode} demands it",
            failure=Failure.LOGIN,
        ) from None
    except ConnectError as error:
        raise ConnectError(f"no login at {trying.host}: {error}", failure=error.failure) from None
    return True


def _handed_over(trying: _Login, handle: socket.socket, with_tls: bool) -> HandedOver:
    demanded = trying.info.tls
    by_door = bool(trying.kind.door)
    make_filter = partial(
        AuthFilter, allowed=trying.info.allowed, direct_tls=with_tls and demanded.direct, by_door=by_door
    )
    if not with_tls:
        return HandedOver(handle, make_filter, None, None)
    try:
        context, notes = tls.context(demanded)
    except ConnectError as error:
        raise Handshake(str(error), failure=error.failure) from None
    trying.notes += notes
    # An address alone is no name, and is none in the certificate either unless it is to be verified.
    name = trying.host.name if demanded.names_server else None
    return HandedOver(handle, make_filter, context, name)


def _is_handshake(error: BaseException, handed: HandedOver | None) -> bool:
    """Whether the connection broke before the driver was told of it."""
    return (
        isinstance(error, OSError)
        and handed is not None
        and (handed.auth_filter is None or handed.auth_filter.transport is None)
    )


def _exchanging(handed: HandedOver | None) -> str:
    """The way of authentication in the middle of which a login is; "" elsewhere."""
    return handed.auth_filter.exchanging if handed is not None and handed.auth_filter is not None else ""


def _close(handed: HandedOver | None, handle: socket.socket | None) -> None:
    """At once: a polite end would wait for an answer."""
    if handed is not None and handed.auth_filter is not None:
        if handed.auth_filter.transport is not None:
            handed.auth_filter.transport.abort()
        return
    if handle is not None:
        handle.close()


def _arguments(trying: _Login, with_tls: bool) -> dict[str, Any]:
    """Everything said outright, since what is left out the driver reads from PG* variables and password files."""
    info, host = trying.info, trying.host
    settings = {"options": trying.options} if trying.options else {}
    if trying.encoding:
        # The driver asks for UTF-8 before this one, and the last one counts.
        settings["client_encoding"] = trying.encoding
    return {
        "host": [host.dialled],
        "port": [host.port],
        "user": info.user,
        "password": host.password or "",
        "database": info.database,
        **tls_arguments(with_tls),
        "target_session_attrs": "any",
        "krbsrvname": info.driver.get("krbsrvname", "postgres"),
        "gsslib": "gssapi",
        "server_settings": {**settings, "application_name": OWN_APPLICATION_NAME, **trying.kind.startup},
        # No statement may be named before it is known that no pooler is between; Link names its own afterwards.
        "statement_cache_size": 0,
    }
