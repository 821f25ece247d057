"""A server that says what a script says: what no server that can be had here would say."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.refusing_server import GSS_REQUEST, SSL_REQUEST

#: What is sent, or what makes it of the client's last message.
Part = bytes | Callable[[bytes], bytes]


def message(kind: bytes, body: bytes) -> bytes:
    """One message of the protocol."""
    return kind + struct.pack("!i", len(body) + 4) + body


def request(code: int, more: bytes = b"") -> bytes:
    """An AuthenticationRequest."""
    return message(b"R", struct.pack("!i", code) + more)


def error(sqlstate: str, text: str, **more: str) -> bytes:
    """A fatal ErrorResponse; `more` are fields by their letter."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": text, **more}
    return message(b"E", b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0")


def server_first(rounds: str) -> Callable[[bytes], bytes]:
    """The server's first message of SCRAM for the nonce that the client sent."""

    def answer(heard: bytes) -> bytes:
        nonce = heard.rpartition(b"r=")[2].decode()
        return request(11, f"r={nonce}more,s=c2FsdHNhbHQ=,i={rounds}".encode())

    return answer


SCRAM = request(10, b"SCRAM-SHA-256\0\0")
#: The end of a login, with as much as the driver needs to take it for PostgreSQL 16.
WELCOME = b"".join(
    [
        request(0),
        *(
            message(b"S", name + b"\0" + value + b"\0")
            for name, value in (
                (b"server_version", b"16.4"),
                (b"client_encoding", b"UTF8"),
                (b"server_encoding", b"UTF8"),
            )
        ),
        message(b"K", struct.pack("!ii", 4711, 1)),
        message(b"Z", b"I"),
    ]
)


@asynccontextmanager
async def scripted(*parts: Part) -> AsyncIterator[int]:
    """Listen on loopback, without TLS; gives the port. Each part after the first answers one message of the client."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            heard = b""
            while True:
                (length,) = struct.unpack("!i", await reader.readexactly(4))
                heard = await reader.readexactly(length - 4)
                if struct.unpack("!i", heard[:4])[0] not in (SSL_REQUEST, GSS_REQUEST):
                    break
                writer.write(b"N")
            for number, part in enumerate(parts):
                if number:
                    (length,) = struct.unpack("!xi", await reader.readexactly(5))
                    heard = await reader.readexactly(length - 4)
                writer.write(part if isinstance(part, bytes) else part(heard))
                await writer.drain()
            while await reader.read(65536):
                # Until the client has had enough.
                continue
        except (asyncio.IncompleteReadError, ConnectionError):
            # Whoever connected has gone, which is its own business.
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        if serving:
            await asyncio.wait(serving)
