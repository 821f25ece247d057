"""A connected socket handed to asyncpg, which has no door for one. The one place that relies on the driver's insides.

`usable()` tries what is relied on, and a driver that is another is refused in one line: to let it dial by itself would
leave out what was demanded of the connection (require_auth, requirepeer, sslmode, keepalives, limits of messages).
See docs/decisions/0003-socket-handed-to-asyncpg.md.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from functools import cache
from typing import Any, cast

import asyncpg

from pgtop_conn.postgres.connection.own_settings import Connection
from pgtop_conn.postgres.connection.wire.auth_filter import AuthFilter

#: The version of asyncpg that the tests run with.
TESTED = "0.32"
#: What is read and set on a connection of the driver.
_LOOP, _TRANSPORT = "_loop", "_transport"
#: Where it would dial, by the arguments that make it: a socket's folder, TCP, and TLS from the first byte on.
_WAYS: tuple[tuple[str, str, bool], ...] = (
    ("/nowhere", "create_unix_connection", False),
    ("nowhere.invalid", "create_connection", False),
    ("nowhere.invalid", "create_connection", True),
)
#: The other arguments that login.py gives.
_SOMEBODY: dict[str, Any] = {
    **{"port": [1], "user": "nobody", "password": "", "database": "nowhere"},
    **{"target_session_attrs": "any", "krbsrvname": "postgres", "gsslib": "gssapi"},
    **{"server_settings": {}, "statement_cache_size": 0},
}
#: What the filter calls of the driver's protocol. The last one tells it from a protocol that asks for TLS first.
_CALLED = (
    *("connection_made", "data_received", "eof_received", "connection_lost", "pause_writing", "resume_writing"),
    "get_server_pid",
)


class HandedOver:
    """The event loop as the driver sees it while it connects: where it would dial, it gets a socket and a filter.

    `auth_filter` is None until then.
    """

    def __init__(
        self,
        handle: socket.socket,
        make_filter: Callable[[Any], AuthFilter],
        context: ssl.SSLContext | None,
        name: str | None,
    ) -> None:
        self.auth_filter: AuthFilter | None = None
        self._loop = asyncio.get_running_loop()
        self._handle = handle
        self._make_filter = make_filter
        self._tls: dict[str, Any] = {} if context is None else {"ssl": context, "server_hostname": name or ""}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(self, factory: Callable[[], Any], *_: object, **__: object) -> tuple[Any, Any]:
        """The driver's protocol behind the filter, on the socket that is connected already."""
        return await self._hand_over(self._loop.create_connection, factory)

    async def create_unix_connection(self, factory: Callable[[], Any], *_: object, **__: object) -> tuple[Any, Any]:
        return await self._hand_over(self._loop.create_unix_connection, factory)

    async def _hand_over(self, connect: Callable[..., Any], factory: Callable[[], Any]) -> tuple[Any, Any]:
        auth_filter = self.auth_filter = self._make_filter(factory())
        transport, _ = await connect(lambda: auth_filter, sock=self._handle, **self._tls)
        if auth_filter.refusal is not None:
            raise auth_filter.refusal
        return transport, auth_filter.inner


async def connected(handed: HandedOver, arguments: dict[str, Any]) -> Connection:
    """The driver's connection on that socket, logged in. Raises what asyncpg.connect() raises."""
    connection: Connection = await asyncpg.connect(**arguments, loop=cast("Any", handed))
    setattr(connection, _LOOP, asyncio.get_running_loop())
    return connection


def transport_of(connection: Connection) -> asyncio.Transport | None:
    """What the driver's connection reads and writes with; None once it has none."""
    transport: asyncio.Transport | None = getattr(connection, _TRANSPORT, None)
    return transport


def tls_arguments(with_tls: bool) -> dict[str, Any]:
    """What tells the driver not to ask for TLS itself: it takes the socket as it is handed over."""
    return {"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if with_tls else False, "direct_tls": with_tls}


def unusable() -> str:
    """Why nothing can be handed to this version of the driver; "" where it can. To be asked in a task."""
    if usable():
        return ""
    return f"asyncpg {asyncpg.__version__} does not take the connection it is given; tested with asyncpg {TESTED}"


@cache
def usable() -> bool:
    """Whether the driver is as it is taken for; nothing is connected. To be asked in a task."""
    if not all(hasattr(asyncpg.Connection, name) for name in (_LOOP, _TRANSPORT)):
        return False
    return all(_asks_its_loop(host, method, with_tls) for host, method, with_tls in _WAYS)


def _asks_its_loop(host: str, method: str, with_tls: bool) -> bool:
    """Whether it makes this connection with this method of the loop that it is given, and at once."""
    loop = _NoLoop()
    try:
        connecting = asyncpg.connect(**_SOMEBODY, **tls_arguments(with_tls), host=[host], loop=cast("Any", loop))
        with closing(connecting):
            connecting.send(None)
    except _Asked:
        return loop.asked == method and all(callable(getattr(loop.protocol, name, None)) for name in _CALLED)
    except (AttributeError, TypeError, ValueError, LookupError, OSError, asyncpg.InterfaceError):
        return False
    # It waits for something before it asks.
    return False


class _Asked(Exception):
    """The driver has asked for a connection."""


class _NoLoop:
    """An event loop that connects nothing and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked = ""
        self.protocol: object = None

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio.get_running_loop(), name)

    async def create_connection(self, factory: Callable[[], object], *_: object, **__: object) -> tuple[Any, Any]:
        return self._refuse("create_connection", factory)

    async def create_unix_connection(self, factory: Callable[[], object], *_: object, **__: object) -> tuple[Any, Any]:
        return self._refuse("create_unix_connection", factory)

    def _refuse(self, method: str, factory: Callable[[], object]) -> tuple[Any, Any]:
        self.asked, self.protocol = method, factory()
        raise _Asked
