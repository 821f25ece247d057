"""Relay: a protocol that stands between a transport and another protocol, and hands everything on.

Subclasses judge or change what passes; the driver is the last one of the chain.
"""

from __future__ import annotations

import asyncio
from typing import Any


class Relay(asyncio.Protocol):
    """`inner` is the next protocol on the way to the driver."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return bool(self.inner.eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
