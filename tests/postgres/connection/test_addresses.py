"""A name with several addresses, and several names: each has connect_timeout for itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import Failure
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.support.postgres.logins import failing
from tests.support.scripted_source import error, scripted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have 127.0.0.1 alone")

NAME = "db.example"
Resolves = Callable[..., None]


@pytest.fixture(scope="module")
def served(module_clusters: MakeCluster) -> Cluster:
    return module_clusters(tcp=True)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Resolves:
    """`resolves("127.0.0.2", "127.0.0.1")`: the addresses that NAME has from now on."""
    real = socket.getaddrinfo

    def to(*places: str) -> None:
        def look_up(host: Any, *more: Any, **options: Any) -> Any:
            if host != NAME:
                return real(host, *more, **options)
            return [found for place in places for found in real(place, *more, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return to


@contextlib.contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Connections are taken, and nothing is answered."""
    with socket.create_server((address, port)):
        yield


@contextlib.contextmanager
def black_hole(address: str, port: int) -> Iterator[None]:
    """The queue of connections is full: whoever connects now waits, as before a firewall that says nothing."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((address, port))
        full.listen(0)
        while True:
            one = stack.enter_context(socket.socket())
            one.settimeout(0.2)
            try:
                one.connect((address, port))
            except TimeoutError:
                break
        yield


@pytest.mark.parametrize("dead", [silent, black_hole])
async def test_a_dead_address_does_not_use_up_the_time_of_the_next(
    served: Cluster, resolves: Resolves, dead: Callable[[str, int], contextlib.AbstractContextManager[None]]
) -> None:
    resolves("127.0.0.2", "127.0.0.3", "127.0.0.1")
    with dead("127.0.0.2", served.port), dead("127.0.0.3", served.port):
        words = f"host={NAME} port={served.port} user=postgres dbname=postgres connect_timeout=2"
        session = await Session.open(resolve(words, environ={}))
        assert session.link is not None
        assert session.link.host.name == NAME
        await session.close()


async def test_nor_does_a_dead_host_of_a_list(served: Cluster) -> None:
    with silent("127.0.0.2", served.port), silent("127.0.0.3", served.port):
        words = f"host=127.0.0.2,127.0.0.3,127.0.0.1 port={served.port} user=postgres dbname=postgres connect_timeout=2"
        await (await Session.open(resolve(words, environ={}))).close()


async def test_each_address_that_failed_is_told(served: Cluster, resolves: Resolves) -> None:
    resolves("127.0.0.2", "127.0.0.3")
    with silent("127.0.0.2", served.port):
        found = await failing(f"host={NAME} port={served.port} user=postgres connect_timeout=2")
    place = f"{NAME}:{served.port}"
    assert str(found) == (
        f"no answer from {place} within 2 s (127.0.0.2); no server at {place}: connection refused (127.0.0.3)"
    )
    assert found.failure is Failure.UNREACHABLE
    found = await failing(f"host={NAME} port={served.port} user=postgres")
    assert str(found) == f"no server at {place}: connection refused"


async def test_a_server_that_refuses_us_ends_the_search(resolves: Resolves) -> None:
    resolves("127.0.0.1", "127.0.0.1")
    async with scripted(error("28000", "no pg_hba.conf entry")) as port:
        found = await failing(f"host={NAME} port={port} user=u dbname=d sslmode=disable")
    assert str(found) == "no pg_hba.conf entry"


async def test_a_full_queue_of_a_socket_is_waited_for_and_told(tmp_path: Path) -> None:
    """As when a postmaster can't keep up with those who want to log in."""
    path, others = tmp_path / ".s.PGSQL.5432", 0
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as stack:
        server.bind(str(path))
        server.listen(0)
        server.settimeout(10)
        with contextlib.suppress(BlockingIOError):
            while True:
                one = stack.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(path))
                others += 1
        words = f"host={tmp_path} user=u dbname=d connect_timeout=2"
        found = await failing(words)
        assert str(found) == f"no answer from socket {path} within 2 s"
        assert found.failure is Failure.UNREACHABLE
        # As soon as there is room we are in the queue, and then heard.
        waiting = asyncio.create_task(failing(words.replace("=2", "=30")))
        for _ in range(others):
            stack.enter_context((await asyncio.to_thread(server.accept))[0])
        ours, _ = await asyncio.to_thread(server.accept)
        ours.settimeout(10)
        assert b"pgtop-conn" in await asyncio.to_thread(ours.recv, 4096)
        ours.close()
        assert "closed the connection during the login" in str(await waiting)


async def test_a_name_that_is_never_looked_up_has_its_time_too(
    monkeypatch: pytest.MonkeyPatch, served: Cluster
) -> None:
    """The look-up is given up, and the next host of the list is tried."""
    real, over = socket.getaddrinfo, threading.Event()

    def look_up(host: Any, *more: Any, **options: Any) -> Any:
        if host == NAME:
            over.wait(60)
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        words = f"host={NAME},127.0.0.1 port={served.port} user=postgres dbname=postgres connect_timeout=2"
        await (await Session.open(resolve(words, environ={}))).close()
        found = await failing(f"host={NAME} port={served.port} user=postgres connect_timeout=2")
        assert str(found) == f'host "{NAME}" was not looked up within 2 s'
    finally:
        over.set()
