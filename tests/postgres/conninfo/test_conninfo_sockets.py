"""What is seen to before the driver gets a connection: socket options, and a filter that it does not see."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput, ConnectError
from pgtop_conn.postgres.connection.connect import connect
from pgtop_conn.postgres.connection.wire.auth_filter import AuthFilter
from pgtop_conn.postgres.conninfo.auth_methods import METHODS, allowed_methods
from pgtop_conn.postgres.conninfo.conninfo import resolve
from tests.conftest import MakeCluster
from tests.postgres.conftest import own_pids
from tests.support.postgres.statement_recorder import until_true


async def test_keepalives_are_set_on_the_socket(make_cluster: MakeCluster) -> None:
    uri = make_cluster(tcp=True).uri(tcp=True)
    for words, wanted in (
        ("keepalives_idle=33&keepalives_interval=7&keepalives_count=4&tcp_user_timeout=9000", (1, 33, 7, 4, 9000)),
        ("keepalives=0&keepalives_idle=33", (0, None, None, None, 0)),
        ("connect_timeout=5", (1, None, None, None, 0)),
    ):
        link = await connect(resolve(f"{uri}?{words}", environ={}))
        assert link.tls == ""
        assert link.endpoint is not None
        found = [link.endpoint.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
            if hasattr(socket, name):
                found.append(link.endpoint.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)))
        await link.close()
        for have, want in zip(found, wanted, strict=False):
            assert want is None or have == want


async def test_options_are_the_sessions_and_ours_come_after_them(cluster: Cluster) -> None:
    uri = f"{cluster.uri()}?options=-c%20geqo_threshold%3D77%20-c%20statement_timeout%3D1h"
    link = await connect(resolve(uri, environ={}))
    shown = "SELECT current_setting('geqo_threshold') AS theirs, current_setting('statement_timeout') AS ours"
    row = (await link.fetch(shown))[0]
    await link.close()
    assert (row["theirs"], row["ours"]) == ("77", "3s")


async def test_a_login_that_is_given_up_leaves_no_session(cluster: Cluster) -> None:
    """Cancelled at each step of the way."""
    before = await own_pids(cluster)
    info = resolve(cluster.uri(), environ={})
    for steps in range(12):
        task = asyncio.create_task(connect(info))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)

    async def as_before() -> bool:
        return await own_pids(cluster) == before

    await until_true(as_before)


class Inner(asyncio.Protocol):
    """What the driver would have seen."""

    def __init__(self) -> None:
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        self.seen += data


class Wire(asyncio.Transport):
    """The other side of the filter."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.protocol: Any = None

    def abort(self) -> None:
        self.aborted = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


def request(code: int, more: bytes = b"") -> bytes:
    return b"R" + struct.pack("!II", 8 + len(more), code) + more


OK, MD5, SASL, FINAL = request(0), request(5, b"salt"), request(10, b"SCRAM-SHA-256\0\0"), request(12, b"v=x")
CONTINUE, NOTICE = request(11, b"r=x,s=eA==,i=4096"), b"N" + struct.pack("!I", 5) + b"\0"


def passed(require_auth: str, sent: bytes, piece: int) -> tuple[AuthFilter, Inner, Wire]:
    inner, wire = Inner(), Wire()
    auth_filter = AuthFilter(inner, allowed_methods(require_auth), False)
    auth_filter.connection_made(wire)
    for start in range(0, len(sent), piece):
        if wire.protocol is not None:
            wire.protocol.data_received(sent[start : start + piece])
        elif not wire.aborted:
            auth_filter.data_received(sent[start : start + piece])
    return auth_filter, inner, wire


@pytest.mark.parametrize("piece", [1, 3, 1000])
@pytest.mark.parametrize(
    ("require_auth", "sent"),
    [
        ("", OK + b"Z\0\0\0\5I"),
        ("", NOTICE + MD5 + OK + b"Z\0\0\0\5I"),
        ("none", OK),
        ("md5", MD5 + OK),
        ("scram-sha-256", SASL + CONTINUE + FINAL + OK + b"Z\0\0\0\5I"),
        ("!md5,!password", SASL + CONTINUE + FINAL + OK),
    ],
)
def test_the_gate_lets_through_what_is_allowed(require_auth: str, sent: bytes, piece: int) -> None:
    auth_filter, inner, wire = passed(require_auth, sent, piece)
    assert auth_filter.refusal is None
    assert inner.seen == sent
    assert wire.protocol is auth_filter.watched


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(
    ("require_auth", "sent", "unseen", "why"),
    [
        ("scram-sha-256", MD5, MD5, "asked for md5"),
        ("scram-sha-256", OK, OK, "no password at all"),
        ("scram-sha-256", SASL + OK, OK, "without proving"),
        ("", SASL + CONTINUE + OK, OK, "without proving"),
        ("!none", OK, OK, "no password at all"),
        ("", b"HTTP/1.1 400", b"HTTP/1.1 400", "not PostgreSQL"),
        ("", b"R\xff\xff\xff\xff", b"R\xff\xff\xff\xff", "not PostgreSQL"),
    ],
)
def test_the_gate_ends_it_before_the_driver_hears_of_it(
    require_auth: str, sent: bytes, unseen: bytes, why: str, piece: int
) -> None:
    auth_filter, inner, wire = passed(require_auth, sent, piece)
    assert isinstance(auth_filter.refusal, ConnectError)
    assert why in str(auth_filter.refusal)
    assert inner.seen == sent.removesuffix(unseen)
    assert wire.aborted


def test_what_require_auth_may_say() -> None:
    assert allowed_methods("") == frozenset(METHODS)
    assert allowed_methods("!none") == frozenset(METHODS) - {"none"}
    assert allowed_methods("md5,none") == {"md5", "none"}
    for text in ("md5,md5", "md5,!gss", "scram", " md5", "md5,"):
        with pytest.raises(BadInput):
            allowed_methods(text)
