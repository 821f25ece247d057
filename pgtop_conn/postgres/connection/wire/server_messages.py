"""Text of the server that is not UTF-8, mended before the driver sees it: the driver decodes strictly, and fails.

A server speaks its own language in its own encoding until a database is chosen, and in the database's afterwards. Names
of roles may hold bytes of any encoding at any time. Add a kind of message: its letter in _TEXTS.
"""

from __future__ import annotations

import codecs
import struct
from typing import Any

from pgtop_conn.postgres.connection.wire.relay import Relay

#: Messages that are text but for so many bytes at their beginning: errors, notices, settings, tags, notifications.
_TEXTS = {ord("E"): 0, ord("N"): 0, ord("S"): 0, ord("C"): 0, ord("A"): 4}
#: The letter and the length of a message, which counts itself but not the letter.
_HEADER = 5
#: A text up to here is kept until it is whole; a longer one is handed on as it arrives.
WHOLE_MOST = 1 << 16
_LENGTH = struct.Struct("!I")


def mended(message: bytes) -> bytes:
    """One whole message, each byte of its text that is not UTF-8 as U+FFFD.

    >>> mended(b"E" + bytes([0, 0, 0, 9]) + bytes([77, 252, 33, 0, 0]))[5:].decode()
    'M\ufffd!\\x00\\x00'
    """
    binary = _TEXTS.get(message[0])
    if binary is None or message.isascii():
        return message
    begin, text = message[_HEADER : _HEADER + binary], message[_HEADER + binary :]
    try:
        text.decode()
    except UnicodeDecodeError:
        body = begin + text.decode(errors="replace").encode()
        return message[:1] + _LENGTH.pack(len(body) + _LENGTH.size) + body
    return message


def _as_long(error: UnicodeError) -> tuple[str, int]:
    """A question mark for each byte, so that the length that was announced stays true."""
    assert isinstance(error, UnicodeDecodeError)
    return "?" * (error.end - error.start), error.end


codecs.register_error("pgtop_conn.as_long", _as_long)
_Decoder = codecs.getincrementaldecoder("utf-8")


class Messages:
    """The stream of one connection, in pieces as they arrive; the messages in it may begin and end anywhere."""

    def __init__(self) -> None:
        #: The beginning of a message that is not whole yet.
        self._held = b""
        #: Bytes of the last message that are still to come, and what reads them where they are a long text.
        self._left = 0
        self._long: codecs.IncrementalDecoder | None = None
        #: What arrives is not a stream of messages: the driver has a word for it.
        self._strange = False

    def feed(self, data: bytes) -> bytes:
        """What of it can be handed on; the rest follows with the next piece."""
        if self._strange:
            return data
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        start, at = 0, self._left
        if self._long is not None:
            start = at = self._go_on(data, 0, pieces)
        else:
            self._left = 0
        while (at := _next_text(data, at)) + _HEADER <= len(data):
            size = _size(data, at)
            if size < _HEADER:
                self._strange, at = True, len(data)
            elif size > WHOLE_MOST:
                pieces.append(data[start : at + _HEADER])
                self._left, self._long = size - _HEADER, _Decoder("pgtop_conn.as_long")
                start = at = self._go_on(data, at + _HEADER, pieces)
            elif at + size > len(data):
                break
            else:
                message = data[at : at + size]
                if (better := mended(message)) is not message:
                    pieces += (data[start:at], better)
                    start = at + size
                at += size
        if at > len(data):
            self._left = at - len(data)
        self._held = data[at:]
        return b"".join([*pieces, data[start:at]]) if pieces or self._held else data

    def _go_on(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Hand on what there is of a long text that goes on at `at`; where the next message begins."""
        assert self._long is not None
        part = data[at : at + self._left]
        self._left -= len(part)
        at += len(part)
        # A character may have begun in the piece before.
        if not part.isascii() or self._long.getstate()[0]:
            part = self._long.decode(part, final=not self._left).encode()
        pieces.append(part)
        if not self._left:
            self._long = None
        return at


def _size(data: bytes, at: int) -> int:
    """Of the message that begins there, all of it."""
    size: int = _LENGTH.unpack_from(data, at + 1)[0] + 1
    return size


def _next_text(data: bytes, at: int) -> int:
    """Where the first message from `at` on begins that is text or nonsense; rows, which are most, are skipped."""
    last, length_at = len(data) - _HEADER, _LENGTH.unpack_from
    while at <= last and data[at] not in _TEXTS:
        length = length_at(data, at + 1)[0]
        if length < _LENGTH.size:
            break
        at += length + 1
    return at


class MessageMender(Relay):
    """Hands everything on as text that the driver can decode, once the login is done."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._messages = Messages()

    def data_received(self, data: bytes) -> None:
        if whole := self._messages.feed(data):
            self.inner.data_received(whole)
