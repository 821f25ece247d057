"""`check` when it does not get in: CRITICAL where nobody does, UNKNOWN where only our own login or files are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from pgtop_conn.commands.check.options import options_of
from pgtop_conn.commands.check.run import check as asked
from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login
from pgtop_conn.connect.open import open_source
from pgtop_conn.demo.binaries import Binaries
from tests.commands.test_check import check
from tests.conftest import VERSIONS
from tests.postgres.connection.test_addresses import silent
from tests.support.psql.case import PLAIN, TLS
from tests.support.psql.servers import ground, make_roles
from tests.support.scripted_source import SCRAM, Part, error, request, scripted, server_first
from tests.support.servers import has_tls

#: The oldest and the newest server with TLS.
WITH_TLS = sorted(major for major, binaries in VERSIONS.items() if has_tls(binaries))


@pytest.fixture(scope="module", params=sorted({*WITH_TLS[:1], *WITH_TLS[-1:]}), ids=lambda major: f"pg{major}")
def names(
    tmp_path_factory: pytest.TempPathFactory, newest_binaries: Binaries, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, str]]:
    with ground(tmp_path_factory.mktemp("check"), VERSIONS[request.param], newest_binaries) as found:
        yield found


_CERTIFIED = "host=localhost port={tls} user=certified dbname=postgres"
_SCRAMMED = "host=localhost port={tls} user=scrammed dbname=postgres"
OURS = [
    (f"{TLS} sslmode=verify-full sslrootcert={{home}}/other.crt", "is not accepted"),
    (f"{TLS} sslmode=verify-full sslrootcert={{home}}/ca.crt hostaddr=127.0.0.1 host=elsewhere", "is not accepted"),
    (f"{TLS} sslmode=verify-ca sslrootcert={{home}}/none.crt", "does not exist"),
    (f"{TLS} sslmode=require sslrootcert={{home}}/ca.key", "holds nothing that can be read"),
    (f"{TLS} sslmode=verify-ca sslrootcert={{home}}/ca.crt sslcrl={{home}}/revoked.crl", "is not accepted"),
    (f"{_CERTIFIED} sslmode=require", "certificate"),
    (f"{_CERTIFIED} sslmode=require sslcert={{home}}/client.crt sslkey={{home}}/open.key", "others may read"),
    (f"{_CERTIFIED} sslmode=require sslcert={{home}}/client.crt sslkey={{home}}/none.key", "no key in"),
    (f"{PLAIN} sslmode=require", "has no SSL"),
    (f"{TLS} require_auth=scram-sha-256", "require_auth does not allow"),
    (_SCRAMMED, "asks for the password"),
    (f"{_SCRAMMED} password=wrong", "password authentication failed"),
    ("host=localhost port={tls} user=without_tls dbname=postgres sslmode=require", "pg_hba.conf"),
]
NOBODYS = [
    ("host=127.0.0.1 port={nobody} user=u dbname=d", "connection refused"),
    ("host=no-such-host.invalid user=u dbname=d", "not found"),
    ("host=127.0.0.1 port={web} user=u dbname=d", "a web server"),
    ("host=127.0.0.1 port={shell} user=u dbname=d", "an SSH server"),
    (f"{TLS} target_session_attrs=standby", "is a primary"),
]


async def in_process(conninfo: str) -> tuple[str, int]:
    """What the command does once its arguments are read: a process for each case would take a minute."""
    settings = Settings()
    login = Login(conninfo, never_ask=True)
    return await asked(lambda: open_source(login, {}, settings), settings, options_of({}, settings))


# One ground serves all cases, so one worker takes them all.
@pytest.mark.xdist_group("check-logins")
async def test_who_is_kept_out(names: Mapping[str, str]) -> None:
    await make_roles(dict(names))
    for cases, code in ((OURS, 3), (NOBODYS, 2)):
        for conninfo, words in cases:
            line, status = await in_process(conninfo.format(**names))
            assert words in line, conninfo
            assert status == code, line


SCRIPTS: list[tuple[list[Part], int]] = [
    ([request(7)], 3),
    ([request(9)], 3),
    ([request(10, b"OAUTHBEARER\0\0")], 3),
    ([SCRAM, server_first("2000000000")], 3),
    ([error("08P01", "not allowed")], 3),
    ([error("08P01", "no more connections allowed (max_client_conn)")], 2),
    ([error("XX000", "Max client connections reached")], 2),
    ([error("57P03", "the database system is starting up")], 2),
]


@pytest.mark.parametrize(("parts", "code"), SCRIPTS)
async def test_what_servers_say_that_can_not_be_had_here(
    parts: list[Part], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    async with scripted(*parts) as port:
        await check(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable", code=code)


async def test_a_dead_host_before_another_one_leaves_time_for_it() -> None:
    """The time of all is shared out where nobody said how long to wait for each."""
    async with scripted(error("28000", "no pg_hba.conf entry for us")) as port:
        with silent("127.0.0.2", port):
            words = f"host=127.0.0.2,127.0.0.1 port={port} user=u dbname=d sslmode=disable"
            found = await check("--timeout", "4", words, code=3)
            assert found.text.endswith("no pg_hba.conf entry for us")
            found = await check("--timeout", "2", f"{words} connect_timeout=9", code=2)
            assert found.text.endswith("no answer within 2 s")
