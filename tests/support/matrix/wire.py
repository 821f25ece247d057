"""Logins by the bare protocol: a session's slot is given back for certain once its socket is at its end.

The server frees a slot while its process ends and the kernel closes the socket after that, so reading to the end of
the stream is waiting for the slot; no driver waits so long, and none can stop in the middle of a login.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from pgtop_conn.demo.server import Cluster
from tests.support.waits import HANG_S

PROTOCOL = 0x0003_0000
TIMEOUT_S = HANG_S
#: Cleartext, MD5 and SASL: the server waits for a password and holds a slot meanwhile.
PASSWORD_WANTED = (3, 5, 10)


@dataclass(frozen=True, slots=True)
class Who:
    """A login as this role to this database; `replication` is the startup parameter, which makes it a walsender."""

    role: str
    database: str = "shop"
    replication: str = ""

    def __str__(self) -> str:
        return f"{self.role}@{self.database or '-'}{' as walsender' if self.replication else ''}"


class Refused(Exception):
    """The server refused a login; `code` is its SQLSTATE."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Wire:
    """One connection to the server, over its socket or TCP, that has sent nothing yet."""

    def __init__(self, cluster: Cluster, *, tcp: bool = False) -> None:
        self.pid = 0
        self._socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        path = str(cluster.socket_dir / f".s.PGSQL.{cluster.port}")
        self._socket.connect(("127.0.0.1", cluster.port) if tcp else path)
        self._stream = self._socket.makefile("rb")

    def login(self, who: Who) -> Self:
        """Log in without a password. Raises Refused, when the server's process has ended and its slot is free."""
        self._begin(who)
        while True:
            kind, body = self._message()
            if kind == b"K":
                self.pid = struct.unpack("!i", body[:4])[0]
            elif kind == b"Z":
                return self

    def begin_login(self, who: Who) -> Self:
        """Send the startup packet and stop where the server asks for the password. Raises Refused."""
        self._begin(who)
        kind, body = self._message()
        assert kind == b"R"
        assert struct.unpack("!i", body[:4])[0] in PASSWORD_WANTED
        return self

    def send(self, sql: str) -> None:
        """Start a statement without waiting for its answer."""
        text = sql.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)

    def ask(self, sql: str) -> list[tuple[str | None, ...]]:
        """The rows of one statement, as text. Raises Refused for an error, and stays usable."""
        self.send(sql)
        rows: list[tuple[str | None, ...]] = []
        error: Refused | None = None
        while True:
            kind, body = self._read()
            if kind == b"D":
                rows.append(_columns(body))
            elif kind == b"E":
                error = _refusal(body)
            elif kind == b"Z":
                if error is not None:
                    raise error
                return rows

    def close(self) -> None:
        """End the session and wait until the server's process has given its slot back."""
        # A session that the server has ended already is what is wanted.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(b"X\0\0\0\4")
        self._drain()

    def hang_up(self) -> None:
        """Close in the middle of whatever it was, and wait for the server to notice."""
        self._socket.shutdown(socket.SHUT_WR)
        self._drain()

    def _begin(self, who: Who) -> None:
        parameters = {"user": who.role, "database": who.database, "application_name": "filler"}
        if who.replication:
            parameters["replication"] = who.replication
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items() if value) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, PROTOCOL) + body)

    def _message(self) -> tuple[bytes, bytes]:
        kind, body = self._read()
        if kind == b"E":
            self._drain()
            raise _refusal(body)
        return kind, body

    def _read(self) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!ci", self._stream.read(5))
        return kind, self._stream.read(length - 4)

    def _drain(self) -> None:
        try:
            while self._stream.read(8192):
                pass
        except ConnectionResetError:
            # The end of the stream too: the server closed with something of ours unread.
            return
        finally:
            self._stream.close()
            self._socket.close()


def _columns(body: bytes) -> tuple[str | None, ...]:
    values: list[str | None] = []
    (count,), at = struct.unpack("!h", body[:2]), 2
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at : at + 4])
        at += 4
        values.append(body[at : at + length].decode() if length >= 0 else None)
        at += max(0, length)
    return tuple(values)


def _refusal(body: bytes) -> Refused:
    fields = {part[:1]: part[1:].decode() for part in body.split(b"\0") if part}
    return Refused(fields[b"C"], fields[b"M"])
