"""A server that refuses every login with one error, in the words of a build or a language that can't be had here."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


@dataclass(slots=True)
class Refusing:
    """`logins` counts the startup packets; `asked` the passwords that were asked for."""

    port: int = 0
    logins: int = 0
    asked: int = 0


@asynccontextmanager
async def refusing(
    text: str, function: str = "", *, code: str = "53300", severity: str = "FATAL", password_first: bool = False
) -> AsyncIterator[Refusing]:
    """Listen on loopback; the port is in what is given. With `password_first` a password is asked for before.

    A byte that is no UTF-8 is written as its surrogate ("\\udcfc").
    """
    seen = Refusing()
    fields = {"S": severity, "V": "FATAL", "C": code, "M": text, "R": function}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!i", await reader.readexactly(4))
                (code,) = struct.unpack("!i", (await reader.readexactly(length - 4))[:4])
                if code not in (SSL_REQUEST, GSS_REQUEST):
                    break
                writer.write(b"N")
            seen.logins += 1
            if password_first:
                writer.write(b"R" + struct.pack("!ii", 8, 3))
                seen.asked += 1
                (length,) = struct.unpack("!xi", await reader.readexactly(5))
                await reader.readexactly(length - 4)
            writer.write(_error(fields))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            # Whoever connected has gone, which is its own business.
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        await server.wait_closed()


def _error(fields: Mapping[str, str]) -> bytes:
    body = (
        b"".join(
            name.encode() + value.encode(errors="surrogateescape") + b"\0" for name, value in fields.items() if value
        )
        + b"\0"
    )
    return b"E" + struct.pack("!i", len(body) + 4) + body
