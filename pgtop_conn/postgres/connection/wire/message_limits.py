"""How much a server may send before we end the session: one message, and all messages of one answer.

A message says its length first, so a longer one is refused before it fills the memory.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from pgtop_conn.model.errors import SourceLost
from pgtop_conn.postgres.connection.wire.relay import Relay

MB = 2**20
#: During the login. The longest real ones are errors, and lists of parameters.
LOGIN_MOST_BYTES = 100_000
#: One row. The longest texts in it are those of queries, which the server cuts off at 1 MB (track_activity_query_size).
ROW_MOST_BYTES = 16 * MB
#: One notice at the walsender door, which carries all rows of an answer as JSON.
DOOR_MOST_BYTES = 256 * MB
#: Any other message.
OTHER_MOST_BYTES = 2 * MB
#: One answer: a thousand sessions with the longest texts of all.
ANSWER_MOST_BYTES = 1024 * MB

_HEAD = struct.Struct("!cI")
_ROW, _NOTICE, _READY = b"D", b"N", b"Z"


class Lengths:
    """Follows the messages of one connection. `by_door`: a notice may be long."""

    def __init__(self, *, by_door: bool) -> None:
        self._most = {_ROW: ROW_MOST_BYTES}
        if by_door:
            self._most[_NOTICE] = DOOR_MOST_BYTES
        #: Bytes of the message that is under way, and the beginning of a head that is not complete.
        self._left = 0
        self._head = b""
        self._answer = 0

    def refusal(self, data: bytes) -> str:
        """Take note of what arrived; why it is too much, or ""."""
        self._answer += len(data)
        if self._left >= len(data):
            self._left -= len(data)
        else:
            data, at = self._head + data, self._left
            while at + _HEAD.size <= len(data):
                kind, length = _HEAD.unpack_from(data, at)
                if not 4 <= length <= self._most.get(kind, OTHER_MOST_BYTES):
                    return self._too_long(kind, length)
                at += 1 + length
                if kind == _READY:
                    self._answer = 0
            self._head, self._left = (b"", at - len(data)) if at >= len(data) else (data[at:], 0)
        if self._answer > ANSWER_MOST_BYTES:
            return f"the server sent more than {ANSWER_MOST_BYTES // MB} MB for one statement"
        return ""

    def _too_long(self, kind: bytes, length: int) -> str:
        if length < 4:
            return "the server sent what is not PostgreSQL's protocol"
        most = self._most.get(kind, OTHER_MOST_BYTES)
        return f"the server sent a message of {-(-length // MB)} MB where at most {most // MB} MB can be"


class MessageLimits(Relay):
    """Hands everything on, and ends the connection when it becomes too much."""

    def __init__(self, inner: Any, transport: asyncio.Transport, *, by_door: bool) -> None:
        super().__init__(inner)
        self._transport = transport
        self._lengths = Lengths(by_door=by_door)
        #: Why it ended the connection; "" while it has not.
        self.why_ended = ""

    def data_received(self, data: bytes) -> None:
        if self.why_ended:
            return
        self.why_ended = self._lengths.refusal(data)
        if self.why_ended:
            self._transport.abort()
        else:
            self.inner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for an answer is told why there is none."""
        self.inner.connection_lost(SourceLost(self.why_ended) if self.why_ended else exc)
