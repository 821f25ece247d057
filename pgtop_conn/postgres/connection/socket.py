"""A connected socket for one host, with all that libpq would see to before the login: addresses, keepalives, TLS.

The driver dials for itself and offers none of this, so it gets the socket through handover.py, in place of the loop.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pwd import getpwuid
from typing import Any

from pgtop_conn.model.errors import ConnectError, Failure
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, Host

_SSL_REQUEST = struct.pack("!II", 8, 80877103)
#: What a program that is no PostgreSQL may say, long enough to be sure.
_GLANCE = 64
#: Between two attempts to get into the queue of a socket.
_QUEUED_S = 0.05

#: Keyword -> the constant of its socket option; those that this system does not have are left out, as libpq does.
_OPTIONS = {
    "keepalives_idle": "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


class NoTls(ConnectError):
    """The server said that it has none."""

    def __init__(self) -> None:
        super().__init__("the server has no TLS", failure=Failure.LOGIN)


@dataclass(frozen=True, slots=True)
class Address:
    """One of the addresses of a host, as the system's resolver gives them; or the path of a socket."""

    family: int
    kind: int
    protocol: int
    place: Any

    def __str__(self) -> str:
        return clean(str(self.place[0] if isinstance(self.place, tuple) else self.place))


async def addresses(info: ConnInfo, host: Host) -> tuple[Address, ...]:
    """Where the host may be, in the order in which to try. Raises OSError, as for a name that nobody knows."""
    if host.is_socket:
        path = f"{host.name}/.s.PGSQL.{host.port}"
        path = "\0" + path[1:] if path.startswith("@") else path
        return (Address(socket.AF_UNIX, socket.SOCK_STREAM, 0, path),)
    literal = socket.AI_NUMERICHOST if host.address else 0
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.dialled, host.port, type=socket.SOCK_STREAM, flags=literal)
    if info.shuffles:
        random.shuffle(found)
    return tuple(Address(family, kind, protocol, place) for family, kind, protocol, _, place in found)


async def dial(info: ConnInfo, address: Address) -> socket.socket:
    """Connected, nothing sent yet. Raises OSError."""
    handle = socket.socket(address.family, address.kind, address.protocol)
    try:
        if address.family != socket.AF_UNIX:
            _set_options(handle, info.keepalive)
    except BaseException:
        handle.close()
        raise
    return await _connected(handle, address.place)


async def _connected(handle: socket.socket, address: Any) -> socket.socket:
    handle.setblocking(False)
    try:
        if handle.family == socket.AF_UNIX:
            await _queued(handle, address)
        else:
            await asyncio.get_running_loop().sock_connect(handle, address)
    except BaseException:
        handle.close()
        raise
    return handle


async def _queued(handle: socket.socket, path: str) -> None:
    """Connect as soon as the queue of the server's socket has room, as behind many who want to log in.

    The loop would take a full queue for a connection, and no event tells that there is room.
    """
    while True:
        try:
            handle.connect(path)
        except BlockingIOError:
            await asyncio.sleep(_QUEUED_S)
        else:
            return


def _set_options(handle: socket.socket, wanted: Mapping[str, int]) -> None:
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keepalives = wanted.get("keepalives", 1) != 0
    if keepalives:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, constant in _OPTIONS.items():
        applies = keepalives or name == "tcp_user_timeout"
        option = getattr(socket, constant, None)
        if applies and option is not None and wanted.get(name, 0) > 0:
            handle.setsockopt(socket.IPPROTO_TCP, option, wanted[name])


def check_peer(handle: socket.socket, wanted: str) -> None:
    """Whether the socket's other end runs as that user, before anything is sent to it. Raises ConnectError."""
    if not hasattr(socket, "SO_PEERCRED"):
        raise ConnectError(
            "requirepeer cannot be honoured: this system does not tell who is at a socket's other end",
            failure=Failure.OURS,
        )
    _, user, _ = struct.unpack("3i", handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    try:
        name = getpwuid(user).pw_name
    except KeyError:
        name = f"a user without a name ({user})"
    if name != wanted:
        raise ConnectError(clean(f"requirepeer is {wanted}, and the server's socket is {name}'s"), failure=Failure.OURS)


async def ask_for_tls(handle: socket.socket) -> None:
    """Returns when a TLS handshake may begin. Raises NoTls or ConnectError; what is heard is not trusted."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(handle, _SSL_REQUEST)
    answer = await loop.sock_recv(handle, _GLANCE)
    if answer == b"S":
        return
    if answer == b"N":
        raise NoTls
    if answer.startswith(b"E"):
        raise ConnectError(
            "the server refused before the login (it may be starting, full, or very old): see its log",
            failure=Failure.UNABLE,
        )
    if not answer:
        strange = "the connection was closed when TLS was asked for: is it PostgreSQL?"
    elif answer.startswith(b"SSH-"):
        strange = "what answers there is an SSH server, not PostgreSQL"
    elif answer.startswith(b"HTTP/"):
        strange = "what answers there is a web server, not PostgreSQL"
    elif answer[:1] in (b"\x15", b"\x16"):
        strange = "what answers there speaks TLS at once: PostgreSQL 17+ does with sslnegotiation=direct"
    else:
        strange = "what answers there is not PostgreSQL"
    raise ConnectError(strange, failure=Failure.UNREACHABLE)
