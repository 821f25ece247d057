"""resolve(): what libpq accepts, in its own precedence."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.binaries import Binaries
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, Host, resolve
from pgtop_conn.postgres.conninfo.keywords import KEYWORDS, Use

ONE = (Host("h", 5432),)
SOCKETS = ("/run/postgresql", "/var/run/postgresql", "/tmp")


def resolved(conninfo: str | None = None, environ: Mapping[str, str] | None = None, **options: Any) -> ConnInfo:
    return resolve(conninfo, environ=environ or {}, **options)


@pytest.mark.parametrize(
    ("conninfo", "hosts", "user", "database"),
    [
        ("postgresql://u@h/d", ONE, "u", "d"),
        ("postgres://u@h:6000/d", (Host("h", 6000),), "u", "d"),
        ("postgresql://u@[::1]:6000/d", (Host("::1", 6000),), "u", "d"),
        ("postgresql://u@h:,i:6001/d", (Host("h", 5432), Host("i", 6001)), "u", "d"),
        ("postgresql://u@a,b/d?port=6000", (Host("a", 6000), Host("b", 6000)), "u", "d"),
        ("postgresql://u@/d?host=/sock/dir&port=6000", (Host("/sock/dir", 6000),), "u", "d"),
        ("postgresql://u@%2Fsock%2Fdir/d", (Host("/sock/dir", 5432),), "u", "d"),
        ("postgresql://%75@h/my%20db%2Fx", ONE, "u", "my db/x"),
        ("postgresql://h?user=u&dbname=d", ONE, "u", "d"),
        ("postgresql://u@h", ONE, "u", "u"),
        ("host=h user=u dbname=d", ONE, "u", "d"),
        ("host = h user= u dbname ='my db'", ONE, "u", "my db"),
        (r"host=h user='o\'neil \\' dbname=a\ b", ONE, "o'neil \\", "a b"),
        ("host=a,b port=1,2 user=u", (Host("a", 1), Host("b", 2)), "u", "u"),
        ("host=a,/tmp/x port=1 user=u", (Host("a", 1), Host("/tmp/x", 1)), "u", "u"),
        ("host=name hostaddr=10.0.0.1 user=u", (Host("name", 5432, address="10.0.0.1"),), "u", "u"),
        ("hostaddr=10.0.0.1 user=u", (Host("10.0.0.1", 5432, address="10.0.0.1"),), "u", "u"),
        ("host=a,b hostaddr=10.0.0.1, user=u", (Host("a", 5432, address="10.0.0.1"), Host("b", 5432)), "u", "u"),
        ("host=@name user=u", (Host("@name", 5432),), "u", "u"),
        ("user=u dbname=''", tuple(Host(name, 5432) for name in SOCKETS), "u", "u"),
    ],
)
def test_every_form(conninfo: str, hosts: tuple[Host, ...], user: str, database: str) -> None:
    info = resolved(conninfo)
    assert (info.hosts, info.user, info.database) == (hosts, user, database)


def test_a_bare_word_is_a_database() -> None:
    info = resolved("shop", {"PGUSER": "u"})
    assert (info.database, info.user, tuple(host.name for host in info.hosts)) == ("shop", "u", SOCKETS)


def test_conninfo_over_options_over_environment() -> None:
    environ = {"PGHOST": "eh", "PGPORT": "1", "PGUSER": "eu", "PGDATABASE": "ed", "PGPASSWORD": "ep"}
    info = resolved(None, environ)
    assert (info.host, info.port, info.user, info.database, info.password) == ("eh", 1, "eu", "ed", "ep")
    info = resolved(None, environ, host="oh", port=3, user="ou")
    assert (info.host, info.port, info.user, info.database, info.password) == ("oh", 3, "ou", "ed", "ep")
    info = resolved("postgresql://cu:cp@ch:2/cd", environ, host="oh", port=3, user="ou")
    assert (info.host, info.port, info.user, info.database, info.password) == ("ch", 2, "cu", "cd", "cp")
    info = resolved("postgresql:///cd", environ, host="oh", port=3, user="ou")
    assert (info.host, info.port, info.user, info.database) == ("oh", 3, "ou", "cd")
    assert resolved("host='' user=''", environ, host="oh", user="ou").hosts[0].is_socket
    assert resolved("postgresql://h/cd", environ, database="od").database == "od"


def test_the_database_option_may_be_a_conninfo() -> None:
    assert resolved(database="host=h user=u dbname=d").hosts == ONE
    assert resolved(database="postgresql://u@h/d", host="oh").hosts == ONE
    assert resolved(database="postgresql://u@h/d").database == "d"


@pytest.mark.parametrize(
    ("conninfo", "environ", "options", "dialled"),
    [
        ("host=127.0.0.2", {}, {"host": "127.0.0.1"}, "127.0.0.2"),
        ("port=9", {}, {"host": "127.0.0.1", "port": 7}, "127.0.0.1"),
        ("postgresql://127.0.0.2/d", {}, {"host": "127.0.0.1"}, "127.0.0.2"),
        ("postgresql:///d", {}, {"host": "127.0.0.1"}, "127.0.0.1"),
        ("d", {"PGHOST": "127.0.0.2"}, {"host": "127.0.0.1"}, "127.0.0.1"),
        ("d", {"PGHOSTADDR": "127.0.0.3"}, {"host": "no-such-host.invalid"}, "127.0.0.3"),
        ("hostaddr=127.0.0.4", {}, {"host": "no-such-host.invalid"}, "127.0.0.4"),
        ("d", {"PGHOSTADDR": "127.0.0.3"}, {}, "127.0.0.3"),
    ],
)
def test_psql_dials_the_same(
    newest_binaries: Binaries, conninfo: str, environ: dict[str, str], options: dict[str, Any], dialled: str
) -> None:
    """psql names in its message where nobody listens."""
    psql = newest_binaries.bin_dir / "psql"
    if not psql.exists():
        pytest.skip("no psql here")
    given = {"port": 9, **options}
    arguments = [f"-{name[0]}{value}" for name, value in given.items()]
    command = [str(psql), "-X", "-w", "-Uu", *arguments, conninfo]
    said = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    info = resolved(conninfo, environ, **given)
    assert info.hosts[0].dialled == dialled
    assert f'"{dialled}"' in said.stderr or f"({dialled})" in said.stderr
    assert f"port {info.port} failed" in said.stderr


def test_environment_of_ssl_and_timeouts() -> None:
    environ = {
        "PGHOST": "h",
        "PGSSLMODE": "verify-ca",
        "PGSSLROOTCERT": "/r",
        "PGSSLCERT": "/c",
        "PGSSLKEY": "/k",
        "PGCONNECT_TIMEOUT": "1",
        "PGTARGETSESSIONATTRS": "primary",
    }
    info = resolved("", environ)
    assert (info.tls.root, info.tls.certificate, info.tls.key) == ("/r", "/c", "/k")
    assert (info.sslmode, info.connect_timeout_s, info.target_session_attrs) == ("verify-ca", 2.0, "primary")
    assert resolved("sslmode=disable", environ).sslmode == "disable"
    assert resolved("", {"PGREQUIRESSL": "1"}).sslmode == "require"
    assert resolved("sslrootcert=system").sslmode == "verify-full"
    assert resolved("postgresql://h?ssl=true").sslmode == "require"


@pytest.mark.parametrize(
    ("conninfo", "message"),
    [
        ("host=h colour=red", 'unknown connection keyword "colour"'),
        ("postgresql://h?colour=red", 'unknown connection keyword "colour"'),
        ("host=h port", 'missing "=" at character 12'),
        ("=h", 'missing "=" at character 1'),
        ("host='h", "unterminated quoted string"),
        ("port=x", "a port is a number"),
        ("port=65536", "a port is a number"),
        ("postgresql://u:secret/word@h/d", "a port is a number"),
        ("postgresql://u:se@cret@h/d", "names no host:port"),
        ("postgresql://[::1/d", "names no host:port"),
        ("postgresql://h/%zz", "percent-encoding"),
        ("postgresql://h/%00", "%00"),
        ("postgresql://h/d?x", "key=value pairs"),
        ("host=a,b port=1,2,3", "3 ports given for 2 hosts"),
        ("host=a,b hostaddr=1.1.1.1", "different numbers"),
        ("hostaddr=1.1.1.1 sslmode=verify-full", "verify-full needs the host's name"),
        ("hots=h", 'unknown connection keyword "hots"; did you mean host?'),
        ("host=h sslsni=0 sslmode=verify-full", "sslsni=0 with sslmode=verify-full"),
        ("host=h sslcertmode=require", "sslcertmode=require cannot be honoured"),
        ("host=h min_protocol_version=3.2", "the driver speaks protocol 3.0"),
        ("host=h scram_client_key=secret", "scram_client_key cannot be honoured"),
        ("host=h keepalives=x", "keepalives is a whole number"),
        ("host=h load_balance_hosts=x", "load_balance_hosts is one of"),
        ("host=h ssl_min_protocol_version=SSLv3", "a TLS version is one of"),
        ("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=tlsv1.2", "is above"),
        ("require_auth=md5,md5", "names a method twice"),
        ("require_auth=md5,!gss", "not both"),
        ("sslmode=sometimes", "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("target_session_attrs=best", "target_session_attrs is one of any"),
        ("connect_timeout=soon", "connect_timeout is a whole number"),
        ("channel_binding=require", "channel_binding=require cannot be honoured: the driver has no channel binding"),
        ("require_auth=scram", "require_auth lists password, md5"),
        ("gssencmode=require", "gssencmode=require cannot be honoured"),
        ("service=prod", 'definition of service "prod" not found'),
        ("replication=database", "replication cannot be honoured"),
        ("host=h sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        ("sslrootcert=system sslmode=require", "sslrootcert=system needs sslmode=verify-full"),
        ("host=\0", "NUL"),
    ],
)
def test_bad_input_is_one_clear_line(conninfo: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        resolved(conninfo)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in KEYWORDS if name not in ("host", "user", "dbname", "service")])
def test_a_password_in_a_wrong_place_is_not_echoed(name: str) -> None:
    for conninfo in (f"host=h {name}=hunter2", f"postgresql://h/d?{name}=hunter2"):
        try:
            resolved(conninfo)
        except BadInput as error:
            said = str(error)
            assert "hunter2" not in said
            assert name in said or "port" in said or "TLS version" in said or "address" in said


@pytest.mark.parametrize(
    ("name", "value"), [("PGCHANNELBINDING", "require"), ("PGGSSENCMODE", "require"), ("PGMINPROTOCOLVERSION", "3.2")]
)
def test_demands_in_the_environment_are_refused_too(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"={value} cannot be honoured"):
        resolved("host=h", {name: value})


def test_demands_that_demand_nothing_pass() -> None:
    assert resolved("host=h channel_binding=prefer gssencmode=disable require_auth='' sslsni=1").hosts[0] == ONE[0]


def test_what_has_no_meaning_is_dropped_and_said() -> None:
    info = resolved(
        "host=h application_name=x client_encoding=latin1 fallback_application_name=y oauth_client_secret=hunter2",
        {"PGTZ": "Mars", "PGGEQO": "off"},
    )
    assert info.hosts == ONE
    assert not info.driver
    assert [note.split(" ")[0] for note in info.notes] == [
        "application_name",
        "client_encoding",
        "oauth_client_secret",
        "PGTZ",
        "PGGEQO",
    ]
    assert "hunter2" not in "".join(info.notes)
    assert resolved("host=h client_encoding=auto sslcompression=0 gssdelegation=0").notes == ()


def test_every_keyword_says_what_becomes_of_it() -> None:
    for name, keyword in KEYWORDS.items():
        assert keyword.name == name
        assert keyword.why or keyword.use is not Use.REFUSED
        assert not keyword.harmless or keyword.use in (Use.REFUSED, Use.DROPPED)
        assert not keyword.values or set(keyword.harmless) <= set(keyword.values)


def test_the_password_is_never_shown() -> None:
    info = resolved("postgresql://u:hunter2@h/d?sslpassword=hunter3")
    assert info.password == "hunter2"
    assert "hunter" not in f"{info!r} {info.hosts!r} {info}"
    assert info.with_password("other").password == "other"
    assert dataclasses.replace(info).password == "hunter2"


@pytest.fixture
def passfile(tmp_path: Path) -> Path:
    path = tmp_path / ".pgpass"
    path.write_text(
        "# comment\nbroken\nh:5432:d:u:one\nlocalhost:*:*:u:local\n/sock/dir:*:*:*:socket\n"
        "a\\:b:*:*:*:co\\:lon \\\\ space \n*:7000:*:*:any:colons\n"
    )
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("conninfo", "password"),
    [
        ("host=h dbname=d user=u", "one"),
        ("host=h dbname=e user=u", None),
        ("host=/sock/dir user=x", "socket"),
        ("host=/tmp user=u", "local"),
        ("user=u", "local"),
        ("host=a:b user=x", "co:lon \\ space "),
        ("host=z port=7000 user=x", "any:colons"),
        ("host=z port=7000 user=x password=given", "given"),
    ],
)
def test_password_file(passfile: Path, conninfo: str, password: str | None) -> None:
    assert resolved(conninfo, {"HOME": str(passfile.parent)}).password == password
    assert resolved(conninfo, {"PGPASSFILE": str(passfile)}).password == password
    assert resolved(f"{conninfo} passfile={passfile}").password == password


def test_each_host_has_its_own_password(passfile: Path) -> None:
    info = resolved(f"host=h,localhost dbname=d user=u passfile={passfile}")
    assert [host.password for host in info.hosts] == ["one", "local"]


def test_a_password_file_that_others_may_read_is_ignored_and_said(passfile: Path) -> None:
    passfile.chmod(0o640)
    info = resolved(f"host=h dbname=d user=u passfile={passfile}")
    assert info.password is None
    assert "others may read it" in info.notes[0]
    assert "not a plain file" in resolved(f"passfile={passfile.parent}").notes[0]
    assert resolved(f"passfile={passfile}.missing").notes == ()


def test_why_a_password_file_gave_no_password(passfile: Path) -> None:
    hosts = resolved(f"host=h,i dbname=d user=u passfile={passfile}").hosts
    assert hosts[0].no_password == ""
    assert hosts[1].no_password == f"no line of {passfile} is for i:5432:d:u"
    assert resolved(f"passfile={passfile}.missing").hosts[0].no_password == ""
    passfile.write_text("h:*:*:*:\n")
    assert resolved(f"host=h dbname=d user=u passfile={passfile}").hosts[0].no_password.endswith("has no password")


_values = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


@given(user=_values, database=_values, password=_values)
def test_quoted_pairs_come_back_as_they_were(user: str, database: str, password: str) -> None:
    def quoted(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    info = resolved(f"host=h user={quoted(user)} dbname = {quoted(database)} password={quoted(password)}")
    assert (info.user, info.database, info.password) == (user, database, password)


@given(st.text())
def test_any_text_is_resolved_or_refused(text: str) -> None:
    for conninfo in (text, f"postgresql://{text}", f"host=h {text}"):
        said = outcome(conninfo)
        assert said == clean(said)


def outcome(conninfo: str) -> str:
    try:
        return str(resolved(conninfo).hosts[0])
    except BadInput as error:
        return str(error)
