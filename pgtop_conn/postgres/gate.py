"""What stands between the transport and the driver until the login is done, and sees each request before it does.

The driver answers whatever way of authentication a server asks for. The gate ends the connection first, before any
answer, when that is none of require_auth's; or when what arrives is no PostgreSQL at all, or proves nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from pgtop_conn.model.errors import BadInput, ConnectError
from pgtop_conn.postgres.tls import ALPN

METHODS = ("password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none")

#: AuthenticationRequest codes; continuations (8, 11) belong to what was asked before them.
_OK, _SASL, _SASL_FINAL = 0, 10, 12
_ASKED = {3: "password", 5: "md5", 7: "gss", 9: "sspi", _SASL: "scram-sha-256"}
#: Messages that a server may send before it says that the login is done, and how long one may be.
_KNOWN = b"REN"
_NEGOTIATE = ord("v")
_LONGEST = 100_000


def allowed_methods(text: str) -> frozenset[str]:
    """require_auth: a list of ways, or of those that are not allowed, each with a !. Raises BadInput."""
    if not text:
        return frozenset(METHODS)
    words = text.split(",")
    names = [word.removeprefix("!") for word in words]
    if not set(names) <= set(METHODS):
        raise BadInput(f"require_auth lists {', '.join(METHODS)}")
    if len(set(names)) < len(names):
        raise BadInput("require_auth names a method twice")
    negative = [word.startswith("!") for word in words]
    if any(negative) != all(negative):
        raise BadInput("require_auth lists what is allowed, or with ! what is not; not both")
    return frozenset(METHODS) - set(names) if any(negative) else frozenset(names)


class Gate(asyncio.Protocol):
    """Hands everything on to `inner`; `refusal` says why it ended the connection, None while it has not."""

    def __init__(self, inner: Any, allowed: frozenset[str], direct_tls: bool) -> None:
        self.inner = inner
        self.refusal: ConnectError | None = None
        self.transport: asyncio.Transport | None = None
        self._allowed = allowed
        self._direct_tls = direct_tls
        self._waiting = b""
        #: The way the server asked for, and whether it proved itself where that is part of it.
        self._method = "none"
        self._proven = True

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
            if kind not in (*_KNOWN, _NEGOTIATE) or not 5 <= length <= _LONGEST:
                self._refuse("what answers there is not PostgreSQL")
                return
            if len(self._waiting) < length:
                return
            message, self._waiting = self._waiting[:length], self._waiting[length:]
            done = kind == ord("R") and self._judge(int.from_bytes(message[5:9], "big"))
            if self.refusal is not None:
                return
            if done:
                self._step_aside(message)
                return
            self.inner.data_received(message)

    def _judge(self, code: int) -> bool:
        """Whether the login is done."""
        if code in _ASKED:
            self._method, self._proven = _ASKED[code], code != _SASL
        elif code == _SASL_FINAL:
            self._proven = True
        if code in _ASKED or code == _OK:
            if self._method not in self._allowed:
                asked = f"asked for {self._method}" if self._method != "none" else "asked for no password at all"
                self._refuse(f"require_auth does not allow what the server wanted: it {asked}")
            elif code == _OK and not self._proven:
                self._refuse("the server ended the SCRAM exchange without proving that it knows the password")
        return code == _OK

    def _step_aside(self, message: bytes) -> None:
        """From here on the transport speaks with the driver alone."""
        assert self.transport is not None
        rest, self._waiting = self._waiting, b""
        self.transport.set_protocol(self.inner)
        self.inner.data_received(message + rest)

    def _refuse(self, why: str) -> None:
        assert self.transport is not None
        self.refusal = ConnectError(why)
        self.transport.abort()

    def eof_received(self) -> bool | None:
        return bool(self.inner.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """May come before the driver was told of a connection."""
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
