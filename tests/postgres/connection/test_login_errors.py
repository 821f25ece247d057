"""Whose trouble a failed login is: the server's, a pooler's, or only ours."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from pathlib import Path

import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, Failure, SlotsExhausted
from pgtop_conn.postgres.connection.login_errors import explained
from pgtop_conn.postgres.connection.pooler_refusals import pooler_text
from pgtop_conn.postgres.conninfo.auth_methods import MOST_ROUNDS
from pgtop_conn.postgres.conninfo.conninfo import Host, resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.support.postgres.logins import failing
from tests.support.scripted_source import SCRAM, WELCOME, Part, error, message, request, scripted, server_first
from tests.support.servers import Clients


async def answered(*parts: Part, words: str = "") -> ConnectError:
    """What a login with a password comes to at a server that says this."""
    async with scripted(*parts) as port:
        return await failing(f"postgresql://web:hunter2@127.0.0.1:{port}/shop?sslmode=disable{words}")


WAYS: list[tuple[list[Part], str]] = [
    ([request(7)], "asks for Kerberos (GSSAPI), which needs Python's package gssapi"),
    ([request(9)], "asks for SSPI, which needs Python's package gssapi"),
    ([request(10, b"OAUTHBEARER\0\0")], "asks for an OAuth token (OAUTHBEARER), which pgtop-conn can't fetch"),
    ([request(10, b"SCRAM-SHA-256-PLUS\0\0")], "does not have (SCRAM-SHA-256-PLUS)"),
    ([request(10, b"\0")], "does not have (SASL)"),
    ([request(2)], "does not have (method number 2)"),
    ([request(6)], "does not have (method number 6)"),
    ([request(10, b"\x1b]0;x\x07\xff\0\0")], "does not have ("),
    ([SCRAM, server_first("2000000000")], "asks for 2000000000 rounds of SCRAM, and more than 1000000"),
    ([SCRAM, server_first("9" * 5000)], "a number of 5000 digits rounds of SCRAM"),
    ([SCRAM, server_first("0")], "SCRAM message makes no sense"),
    ([SCRAM, request(11, b"r=x")], "SCRAM message makes no sense"),
    ([SCRAM, request(11, b"r=another,s=c2FsdA==,i=4096")], "scram-sha-256 with 127.0.0.1"),
    ([SCRAM, server_first("4096"), request(12, b"nothing")], "scram-sha-256 with 127.0.0.1"),
]


@pytest.mark.parametrize(("parts", "text"), WAYS, ids=[text for _, text in WAYS])
async def test_a_way_that_we_can_not_answer_is_told_in_our_words(parts: list[Part], text: str) -> None:
    found = await answered(*parts)
    assert text in str(found)
    assert found.failure is Failure.LOGIN


async def test_what_require_auth_excludes_is_ours(cluster: Cluster) -> None:
    for way, words in ((request(7), "!gss"), (request(10, b"OAUTHBEARER\0\0"), "!oauth"), (request(3), "none")):
        found = await answered(way, words=f"&require_auth={words}")
        assert "require_auth does not allow" in str(found)
        assert found.failure is Failure.LOGIN
    assert (await failing(f"{cluster.uri()}?require_auth=scram-sha-256")).failure is Failure.LOGIN


async def test_as_many_rounds_as_are_computed_are_computed(make_cluster: MakeCluster, clients: Clients) -> None:
    """A password of a million rounds would be computed by the server, too: a tenth shows the same."""
    cluster = make_cluster(major=16, hba=["local all slow scram-sha-256"])
    admin = await clients(cluster)
    await admin.execute(f"SET scram_iterations = {MOST_ROUNDS // 10}")
    await admin.execute("CREATE ROLE slow LOGIN PASSWORD 'hunter2'")
    slow = resolve(cluster.uri(user="slow"), environ={}).with_password("hunter2")
    await (await Session.open(slow)).close()


@pytest.mark.parametrize(
    "parts",
    [
        [b"R\0\0\0\4"],
        [request(11, b"r=x,s=eA==,i=1")],
        [request(12, b"v=x")],
        [request(8, b"x")],
        [SCRAM, request(12, b"v=x")],
        [b"R\x7f\xff\xff\xff"],
        [b"N\x7f\xff\xff\xff"],
        [b"E\x7f\xff\xff\xff"],
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ],
)
async def test_what_no_server_says_is_no_postgresql(parts: list[Part]) -> None:
    found = await answered(*parts)
    assert "not PostgreSQL" in str(found)
    assert found.failure is Failure.UNREACHABLE


@pytest.mark.parametrize("kind", [b"R", b"E", b"N"])
async def test_a_message_that_ends_too_early_is_one_line(kind: bytes) -> None:
    body = b"\0\0\0\5" if kind == b"R" else b"Sunending"
    found = await answered(message(kind, body), WELCOME)
    assert found.failure in (Failure.LOGIN, Failure.UNREACHABLE)


async def test_an_answer_that_ends_too_early_is_one_line() -> None:
    found = await answered(WELCOME, message(b"T", b""), words="&connect_timeout=2")
    assert found.failure in (Failure.UNREACHABLE, Failure.UNABLE)


FAILURES = [
    ("28P01", 'password authentication failed for user "web"', Failure.LOGIN),
    ("28000", "no pg_hba.conf entry", Failure.LOGIN),
    ("3D000", 'database "shop" does not exist', Failure.LOGIN),
    ("42501", "permission denied for database", Failure.LOGIN),
    ("53300", "sorry, too many clients already", Failure.FULL),
    ("53300", 'too many connections for role "no more connections allowed"', Failure.FULL),
    ("53200", "out of memory", Failure.UNABLE),
    ("58P01", "could not open file", Failure.UNABLE),
    ("XX000", "cache lookup failed", Failure.UNABLE),
    ("57P03", "the database system is starting up", Failure.STARTING),
    ("57P01", "terminating connection due to administrator command", Failure.STARTING),
    # PgBouncer.
    ("08P01", "no more connections allowed (max_client_conn)", Failure.POOLER_FULL),
    ("08P01", "client connections exceeded (max_db_client_connections)", Failure.POOLER_FULL),
    ("08P01", "client connections exceeded (max_user_client_connections)", Failure.POOLER_FULL),
    ("08P01", "query_wait_timeout", Failure.POOLER_FULL),
    ("08P01", "client_login_timeout (server down)", Failure.UNABLE),
    ("08P01", "server login has been failing, try again later (server_login_retry)", Failure.UNABLE),
    ("08P01", "server login has been failing, cached error: connect failed (server_login_retry)", Failure.UNABLE),
    (
        "08P01",
        "server login has been failing, cached error: FATAL: sorry, too many clients already (server_login_retry)",
        Failure.FULL,
    ),
    ("08P01", "sorry, too many clients already", Failure.FULL),
    ("08P01", "no such database: rds_max_wal_senders", Failure.LOGIN),
    ("08P01", 'database "shop" is disabled', Failure.UNABLE),
    ("08P01", "pooler is shutting down", Failure.STARTING),
    ("08P01", "not allowed", Failure.LOGIN),
    ("08P01", "no such user", Failure.LOGIN),
    ("08P01", "no such database: shop", Failure.LOGIN),
    ("08P01", "SSL required", Failure.LOGIN),
    # Odyssey and Supavisor.
    ("53300", "too many tcp connections (global client_max 100)", Failure.POOLER_FULL),
    ("XX000", "Max client connections reached", Failure.POOLER_FULL),
    ("XX000", "MaxClientsInSessionMode: max clients reached - in Session mode", Failure.POOLER_FULL),
    ("XX000", "(EMAXCONNSESSION) max clients reached in session mode", Failure.POOLER_FULL),
]


@pytest.mark.parametrize(("sqlstate", "text", "failure"), FAILURES, ids=[text for _, text, _ in FAILURES])
async def test_whose_trouble_it_is(sqlstate: str, text: str, failure: Failure) -> None:
    found = await answered(error(sqlstate, text))
    assert found.failure is failure
    assert str(found).startswith(text)
    assert isinstance(found, SlotsExhausted) is failure.is_full
    if failure is Failure.POOLER_FULL:
        assert isinstance(found, SlotsExhausted)
        assert found.kind == "pooler"
        assert "the pooler" in str(found)


def test_no_name_passes_for_a_text_of_a_pooler() -> None:
    for text in ('role "not allowed" does not exist', 'database "x" is disabled by me', "permission not allowed"):
        assert pooler_text(text) is None


async def test_a_detail_is_told_once() -> None:
    found = await answered(error("57P03", "not yet accepting connections", D="Recovery is under way.", H="Wait."))
    assert str(found) == "not yet accepting connections. Recovery is under way."


async def test_a_real_detail_is_told_once(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(hba=["local all locked reject"])
    await clients.role(cluster, "locked")
    admin = await clients(cluster)
    await admin.execute("CREATE DATABASE guarded")
    await admin.execute("REVOKE CONNECT ON DATABASE guarded FROM public")
    await clients.role(cluster, "outside")
    found = await failing(cluster.uri(user="outside", database="guarded"))
    assert str(found).count("privilege") == 1
    assert found.failure is Failure.LOGIN


async def test_our_own_files_and_rights_are_ours(tmp_path: Path, cluster: Cluster) -> None:
    missing = f"postgresql://u@127.0.0.1:{cluster.port}/d?sslmode=verify-ca&sslrootcert={tmp_path}/none"
    with socket.create_server(("127.0.0.1", 0)) as tls:
        port = tls.getsockname()[1]

        async def say_yes() -> None:
            handle, _ = await asyncio.get_running_loop().sock_accept(tls)
            handle.setblocking(False)
            await asyncio.get_running_loop().sock_recv(handle, 8)
            await asyncio.get_running_loop().sock_sendall(handle, b"S")
            handle.close()

        tls.setblocking(False)
        accepting = asyncio.create_task(say_yes())
        found = await failing(missing.replace(f":{cluster.port}/", f":{port}/"))
        await accepting
    assert (found.failure, "does not exist" in str(found)) == (Failure.OURS, True)
    peer = await failing(f"{cluster.uri()}?requirepeer=nobody-at-all")
    assert peer.failure is Failure.OURS
    assert (await failing(f"{cluster.uri()}?target_session_attrs=standby")).failure is Failure.UNWANTED


def test_what_the_machine_forbids_is_ours_and_what_the_network_says_is_not() -> None:
    sockets, network = Host("/run/postgresql", 5432), Host("db", 5432)
    info = resolve("host=db user=u", environ={})
    for number, host, failure in (
        (errno.EACCES, sockets, Failure.OURS),
        (errno.EACCES, network, Failure.UNREACHABLE),
        (errno.EMFILE, network, Failure.OURS),
        (errno.EHOSTUNREACH, network, Failure.UNREACHABLE),
        (errno.EADDRNOTAVAIL, network, Failure.UNREACHABLE),
    ):
        assert explained(OSError(number, os.strerror(number)), info, host).failure is failure


async def test_of_several_hosts_the_one_that_answers_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    async with scripted(request(10, b"OAUTHBEARER\0\0")) as port:
        found = await failing(f"host=127.0.0.1,127.0.0.1 port={port},{nobody} user=u dbname=d sslmode=disable")
    assert found.failure is Failure.LOGIN
    assert "connection refused" in str(found)
    assert "OAuth" in str(found)
