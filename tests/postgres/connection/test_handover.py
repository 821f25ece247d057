"""What is relied on of asyncpg's insides is there; a driver that is another is refused before anything is dialled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils

from pgtop_conn.model.errors import ConnectError, Failure
from pgtop_conn.postgres.connection import handover
from pgtop_conn.postgres.connection.handover import usable
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session

Connect = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    usable.cache_clear()
    yield
    usable.cache_clear()


async def test_asyncpg_is_as_expected() -> None:
    """Fails when asyncpg changes what is used of it; then nobody gets in, until handover.py is brought up."""
    assert usable()
    assert handover.unusable() == ""


async def waits_first(**_: object) -> None:
    """A driver that does something of its own before it asks its loop for a connection."""
    await asyncio.sleep(60)


async def asks_for_tls_first(*, loop: Any, params: Any, **_: object) -> None:
    """A driver that always begins with its own protocol."""
    context = params.ssl
    await loop.create_connection(lambda: connect_utils.TLSUpgradeProto(loop, "h", 1, context, False), "h", 1)


async def knows_no_such_argument(*, host: str) -> None:
    """A driver whose arguments have other names."""


@pytest.mark.parametrize("inside", [waits_first, asks_for_tls_first])
async def test_another_way_to_connect_is_seen(monkeypatch: pytest.MonkeyPatch, inside: Connect) -> None:
    monkeypatch.setattr(connect_utils, "_connect_addr", inside)
    assert not usable()


@pytest.mark.parametrize("connect", [knows_no_such_argument, lambda **_: None])
async def test_another_connect_is_seen(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    monkeypatch.setattr(asyncpg, "connect", connect)
    assert not usable()


async def test_a_login_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncpg, "Connection", SimpleNamespace())
    monkeypatch.setattr(asyncpg, "__version__", "0.99.0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        with pytest.raises(ConnectError) as caught:
            await Session.open(resolve(f"host=127.0.0.1,localhost port={port} user=u", environ={}))
        with pytest.raises(BlockingIOError):
            server.accept()
    assert str(caught.value) == (
        f"asyncpg 0.99.0 does not take the connection it is given; tested with asyncpg {handover.TESTED}"
    )
    assert caught.value.failure is Failure.OURS
