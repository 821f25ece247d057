"""What stands between the transport and the driver until the login is done, and sees each request before it does.

The driver answers whatever way of authentication a server asks for. The filter ends the connection first, before any
answer, when that is none of require_auth's or one that can't be answered here; or when what arrives is no PostgreSQL at
all, proves nothing, or asks for more work than a login is worth.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from pgtop_conn.model.errors import ConnectError, Failure
from pgtop_conn.postgres.connection.tls import ALPN
from pgtop_conn.postgres.connection.wire.message_limits import LOGIN_MOST_BYTES, MessageLimits
from pgtop_conn.postgres.connection.wire.relay import Relay
from pgtop_conn.postgres.connection.wire.server_messages import MessageMender, mended
from pgtop_conn.postgres.conninfo.auth_methods import (
    CONTINUES,
    METHODS,
    OK,
    SASL,
    SASL_CONTINUE,
    SASL_FINAL,
    method_of,
    too_hard,
    unanswerable,
)

#: Messages that a server may send before it says that the login is done.
_KNOWN = b"REN"
_NEGOTIATE = ord("v")
_REQUEST = ord("R")
#: Type, length and code of a request.
_SHORTEST_REQUEST = 9
_NOT_POSTGRESQL = "what answers there is not PostgreSQL"


class AuthFilter(Relay):
    """Hands on what it allows; `refusal` says why it ended the connection, None while it has not.

    `by_door`: the session is to be a walsender's, whose answers are long.
    """

    def __init__(self, inner: Any, allowed: frozenset[str], direct_tls: bool, *, by_door: bool = False) -> None:
        super().__init__(inner)
        self.refusal: ConnectError | None = None
        self.transport: asyncio.Transport | None = None
        #: What watches the connection once the login is done.
        self.watched: MessageLimits | None = None
        self._allowed = allowed
        self._direct_tls = direct_tls
        self._by_door = by_door
        self._waiting = b""
        #: The way the server asked for, its last code, and whether it proved itself where that is part of the way.
        self._method = "none"
        self._last = OK
        self._proven = True

    @property
    def exchanging(self) -> str:
        """The way of authentication whose exchange has begun and is not done; "" outside of one."""
        return self._method if self._method != "none" and self.watched is None else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if self._direct_tls and tls is not None and tls.selected_alpn_protocol() != ALPN:
            # The driver never hears of this connection, since it would write at once.
            self._refuse("sslnegotiation=direct: the server does not answer as PostgreSQL 17 or newer")
            return
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Each message is judged when it is complete, and handed on."""
        self._waiting += data
        while len(self._waiting) >= 5 and self.refusal is None:
            kind, length = self._waiting[0], int.from_bytes(self._waiting[1:5], "big") + 1
            shortest = _SHORTEST_REQUEST if kind == _REQUEST else 5
            if kind not in (*_KNOWN, _NEGOTIATE) or not shortest <= length <= LOGIN_MOST_BYTES:
                self._refuse(_NOT_POSTGRESQL, Failure.UNREACHABLE)
                return
            if len(self._waiting) < length:
                return
            message, self._waiting = self._waiting[:length], self._waiting[length:]
            done = kind == _REQUEST and self._judge(int.from_bytes(message[5:9], "big"), message[9:])
            if self.refusal is not None:
                return
            if done:
                self._step_aside(message)
                return
            self.inner.data_received(mended(message))

    def _judge(self, code: int, body: bytes) -> bool:
        """Whether the login is done."""
        before, self._last = self._last, code
        if code == OK:
            self._judge_method()
            if self.refusal is None and not self._proven:
                self._refuse("the server ended the SCRAM exchange without proving that it knows the password")
        elif code in CONTINUES:
            if before not in CONTINUES[code]:
                self._refuse(_NOT_POSTGRESQL, Failure.UNREACHABLE)
            elif code == SASL_CONTINUE and (why := too_hard(body)):
                self._refuse(why)
            self._proven = code == SASL_FINAL or self._proven
        else:
            self._method, self._proven = method_of(code, body), code != SASL
            self._judge_method()
            if self.refusal is None and (why := unanswerable(self._method)):
                self._refuse(why)
        return code == OK

    def _judge_method(self) -> None:
        # What require_auth has no word for is refused for what it is.
        if self._method in METHODS and self._method not in self._allowed:
            asked = f"asked for {self._method}" if self._method != "none" else "asked for no password at all"
            self._refuse(f"require_auth does not allow what the server wanted: it {asked}")

    def _step_aside(self, message: bytes) -> None:
        """From here on the lengths of messages are watched and texts are made valid; nothing is judged."""
        assert self.transport is not None
        rest, self._waiting = self._waiting, b""
        self.watched = MessageLimits(MessageMender(self.inner), self.transport, by_door=self._by_door)
        self.transport.set_protocol(self.watched)
        self.watched.data_received(message + rest)

    def _refuse(self, why: str, failure: Failure = Failure.LOGIN) -> None:
        assert self.transport is not None
        self.refusal = ConnectError(why, failure=failure)
        self.transport.abort()
