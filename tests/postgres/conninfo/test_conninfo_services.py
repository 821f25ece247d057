"""Services and other drivers' words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgtop_conn.model.errors import BadInput
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.conninfo.keywords import KEYWORDS
from pgtop_conn.postgres.conninfo.other_drivers import EXTRAS

OWN = """\
# mine
[one]
host=h1
port=6001
user=su
dbname=first
dbname=second
 sslmode=require\t
[blank]
host = h
[nested]
service=one
[directory]
ldap://ldap.example/dc=x?y
[bare]
word
[other]
colour=red
"""
SHARED = "[one]\nhost=shared\n[two]\nhost=h2\n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The environment with both files."""
    (tmp_path / ".pg_service.conf").write_text(OWN)
    (tmp_path / "pg_service.conf").write_text(SHARED)
    return {"HOME": str(tmp_path), "PGSYSCONFDIR": str(tmp_path), "PGUSER": "eu", "PGHOST": "eh"}


def test_the_conninfo_over_the_service_over_the_environment(files: dict[str, str]) -> None:
    info = resolve("service=one", environ=files)
    assert (info.host, info.port, info.user, info.database, info.sslmode) == ("h1", 6001, "su", "first", "require")
    info = resolve("service=one user=cu", port=7, environ=files)
    assert (info.host, info.port, info.user) == ("h1", 7, "cu")
    assert resolve("postgresql://?service=one", environ=files).host == "h1"
    assert resolve("service=two", environ=files).user == "eu"
    assert resolve(None, environ={**files, "PGSERVICE": "one"}).host == "h1"
    assert resolve("service=two", environ={**files, "PGSERVICE": "one"}).host == "h2"


def test_which_file(files: dict[str, str], tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text("[one]\nhost=h3\n")
    assert resolve("service=one", environ={**files, "PGSERVICEFILE": str(named)}).host == "h3"
    assert resolve(f"service=one servicefile={named}", environ=files).host == "h3"
    assert resolve("service=two", environ={**files, "PGSERVICEFILE": str(named)}).host == "h2"
    with pytest.raises(BadInput, match=r'service file ".*missing" not found'):
        resolve("service=two", environ={**files, "PGSERVICEFILE": f"{named}missing"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blank", 'line 10: unknown keyword "host ": no blanks are allowed around the ='),
        ("nested", "line 12: a service can't name another one"),
        ("directory", "line 14: a service kept in LDAP can't be looked up"),
        ("bare", "line 16: key=value was expected"),
        ("other", 'line 18: unknown keyword "colour"'),
        ("missing", 'definition of service "missing" not found'),
        ("on", 'definition of service "on" not found'),
    ],
)
def test_a_file_that_says_something_else(files: dict[str, str], name: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(f"service={name}", environ=files)
    assert message in str(caught.value)


def test_a_line_that_is_too_long(files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".pg_service.conf").write_text(f"[one]\nhost=h1\n[two]\noptions={'x' * 2000}\n")
    assert resolve("service=one", environ=files).host == "h1"
    with pytest.raises(BadInput, match="line 4: the line is too long"):
        resolve("service=two", environ=files)


@pytest.mark.parametrize(
    ("uri", "sslmode", "noted"),
    [
        ("postgresql://h/d?pgbouncer=true&connection_limit=1", "prefer", 2),
        ("postgresql://h/d?sslmode=no-verify", "require", 1),
        ("postgresql://h/d?ssl=true", "require", 0),
        ("postgresql://h/d?ssl=false", "prefer", 1),
        ("postgresql://h/d?sslmode=require&sslaccept=strict", "verify-full", 1),
        ("postgresql://h/d?sslmode=require&sslaccept=accept_invalid_certs", "require", 1),
        ("jdbc:postgresql://h:5432/d?user=u&ssl=true&ApplicationName=x", "verify-full", 3),
        ("jdbc:postgresql://h/d?ssl=true&sslmode=require", "require", 0),
        ("postgresql+psycopg2://u@h/d", "prefer", 0),
        ("postgresql://h/d?sslmode=require&ssl=verify-full", "verify-full", 1),
        ("postgresql://h/d?sslmode=verify-full&ssl=verify-ca", "verify-full", 1),
        ("postgresql://h/d?sslmode=verify-full&ssl=true", "verify-full", 1),
        ("postgres+asyncpg://h/d?ssl=verify-full", "verify-full", 1),
        ("postgres://h/d?pool=5&reaping_frequency=10&prepared_statements=false&encoding=unicode", "prefer", 4),
        ("postgres://h/d?pool_max_conns=10&default_query_exec_mode=simple_protocol", "prefer", 2),
    ],
)
def test_other_drivers_words(uri: str, sslmode: str, noted: int) -> None:
    info = resolve(uri, environ={"HOME": "/nowhere"})
    assert (info.host, info.database, info.sslmode, len(info.notes)) == ("h", "d", sslmode, noted)


def test_words_that_are_translated() -> None:
    uri = (
        "jdbc:postgresql://h/d?loginTimeout=7&tcpKeepAlive=false&targetServerType=preferSecondary&loadBalanceHosts=true"
    )
    info = resolve(uri, environ={})
    assert (info.connect_timeout_s, info.target_session_attrs, info.shuffles) == (7.0, "prefer-standby", True)
    assert dict(info.keepalive) == {"keepalives": 0}
    assert resolve("postgres://h/d?options=endpoint%3Dep-1&connect_timeout=9", environ={}).options == "endpoint=ep-1"


def test_a_demand_in_another_drivers_words_is_still_refused() -> None:
    with pytest.raises(BadInput, match="channel_binding=prefer goes in without it"):
        resolve("postgres://h/d?sslmode=require&channel_binding=require", environ={})
    with pytest.raises(BadInput, match="channel_binding=require cannot be honoured"):
        resolve("jdbc:postgresql://h/d?channelBinding=require", environ={})


def test_no_word_is_both() -> None:
    assert not EXTRAS.keys() & KEYWORDS.keys()
