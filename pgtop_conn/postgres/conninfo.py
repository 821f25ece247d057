"""What libpq accepts -> what the driver needs. How each keyword is treated: keywords.py."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.keywords import KEYWORDS, Use
from pgtop_conn.postgres.passfile import DEFAULT_SOCKET_FOLDERS, find_password, unusable

DEFAULT_PORT = 5432
DEFAULT_CONNECT_TIMEOUT_S = 10.0
_SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class Host:
    """One place to try. `name` is a host, an address, or the folder of a socket."""

    name: str
    port: int
    password: str | None = field(default=None, repr=False)

    @property
    def is_socket(self) -> bool:
        return self.name.startswith("/")

    def __str__(self) -> str:
        """For messages: cleaned."""
        if self.is_socket:
            return clean(f"socket {self.name}/.s.PGSQL.{self.port}")
        return clean(f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}")


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """Where to connect and as whom, with nothing left for the driver to look up. Never prints a password."""

    hosts: tuple[Host, ...]
    user: str
    database: str
    sslmode: str = "prefer"
    target_session_attrs: str = "any"
    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    #: Driver keywords by name: certificates, protocol versions, Kerberos.
    driver: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    #: Said when a password is missing: why a password file was ignored.
    notes: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The first place tried; Server.host says where we are connected."""
        return self.hosts[0].name

    @property
    def port(self) -> int:
        return self.hosts[0].port

    @property
    def password(self) -> str | None:
        """The password of the first host; each host has its own where a password file says so."""
        return self.hosts[0].password

    def with_password(self, password: str) -> ConnInfo:
        """The same with this password for every host, as typed at a prompt."""
        return replace(self, hosts=tuple(replace(host, password=password) for host in self.hosts))


def resolve(
    conninfo: str | None,
    *,
    host: str | None = None,
    port: int | str | None = None,
    user: str | None = None,
    database: str | None = None,
    environ: Mapping[str, str],
) -> ConnInfo:
    """The conninfo over options over PG* variables over defaults, as psql does (measured with psql 18).

    `psql -h A 'host=B'` connects to B, and an address, PGHOSTADDR too, is dialled whatever the host is called.
    `conninfo` is a URI, a key=value string or a database name; `database` may be any of these too, and wins over it.
    Raises BadInput.
    """
    options = {"host": host, "port": None if port is None else str(port), "user": user}
    given = _environment(environ) | {name: value for name, value in options.items() if value is not None}
    for text in (conninfo, database):
        given |= _parse(text) if text else {}
    _judge(given)
    return _build({name: value for name, value in given.items() if value}, environ)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    found = {word.name: environ[word.env] for word in KEYWORDS.values() if word.env and environ.get(word.env)}
    if environ.get("PGREQUIRESSL") == "1":
        found.setdefault("sslmode", "require")
    return found


def _parse(text: str) -> dict[str, str]:
    if "\0" in text:
        raise BadInput("a connection string cannot hold a NUL character")
    if text.startswith(_SCHEMES):
        return _parse_uri(text)
    return _parse_pairs(text) if "=" in text else {"dbname": text}


def _judge(given: Mapping[str, str]) -> None:
    """Refuse what is unknown, what is no value of its keyword, and what can't be met."""
    for name, value in given.items():
        keyword = KEYWORDS.get(name)
        if keyword is None:
            raise BadInput(f'unknown connection keyword "{clean(name)}"')
        if not value:
            continue
        if keyword.use is Use.REFUSED and value not in keyword.harmless:
            raise BadInput(f"{name}={clean(value)} cannot be honoured: {keyword.why}")
        if keyword.values and value not in keyword.values:
            raise BadInput(f'{name} is one of {", ".join(keyword.values)}, not "{clean(value)}"')


def _build(given: Mapping[str, str], environ: Mapping[str, str]) -> ConnInfo:
    user = given.get("user") or _system_user()
    database = given.get("dbname") or user
    passfile = _passfile(given, environ)
    hosts = _hosts(given)
    sslmode = given.get("sslmode", "verify-full" if given.get("sslrootcert") == "system" else "prefer")
    driver = {name: value for name, value in given.items() if KEYWORDS[name].use is Use.DRIVER}
    if driver.get("sslnegotiation") == "direct" and sslmode in ("disable", "allow", "prefer"):
        raise BadInput(f"sslnegotiation=direct needs sslmode=require or stricter, not {sslmode}")
    if driver.get("sslrootcert") == "system" and sslmode != "verify-full":
        raise BadInput(f"sslrootcert=system needs sslmode=verify-full, not {sslmode}")
    password = given.get("password")
    notes: tuple[str, ...] = ()
    if password is None and passfile is not None:
        problem = unusable(passfile)
        if problem is None:
            found = ((host, find_password(passfile, host.name, host.port, database, user)) for host in hosts)
            hosts = tuple(replace(host, password=secret) for host, secret in found)
        else:
            notes = (clean(problem),)
    elif password is not None:
        hosts = tuple(replace(host, password=password) for host in hosts)
    return ConnInfo(
        hosts=hosts,
        user=user,
        database=database,
        sslmode=sslmode,
        target_session_attrs=given.get("target_session_attrs", "any"),
        connect_timeout_s=_connect_timeout_s(given.get("connect_timeout")),
        driver=MappingProxyType(driver),
        notes=notes,
    )


def _hosts(given: Mapping[str, str]) -> tuple[Host, ...]:
    """Names and ports paired as libpq does: one port for all, or as many as there are hosts."""
    if given.get("hostaddr"):
        if given.get("sslmode") == "verify-full" and given.get("host") != given["hostaddr"]:
            raise BadInput("hostaddr with sslmode=verify-full cannot be honoured: the driver checks the name it dials")
        names = given["hostaddr"].split(",")
        if given.get("host") and len(given["host"].split(",")) != len(names):
            raise BadInput("hostaddr and host name different numbers of hosts")
    else:
        names = given.get("host", "").split(",")
    if any(name.startswith("@") for name in names):
        raise BadInput("the driver cannot reach a socket in the abstract namespace (@)")
    ports = [_port(text) for text in given.get("port", "").split(",")]
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        raise BadInput(f"{len(ports)} ports given for {len(names)} hosts")
    found = []
    for name, port in zip(names, ports, strict=True):
        found += [Host(place, port) for place in ((name,) if name else DEFAULT_SOCKET_FOLDERS)]
    return tuple(found)


def _port(text: str) -> int:
    if not text.strip():
        return DEFAULT_PORT
    if not re.fullmatch(r"\s*[0-9]{1,5}\s*", text) or not 1 <= int(text) <= 65535:
        # Not echoed: after an unescaped / or @ in a URI's password this is a piece of the password.
        raise BadInput("a port is a number from 1 to 65535")
    return int(text)


def _connect_timeout_s(text: str | None) -> float:
    """Seconds for one host; 0 and less mean no limit to libpq, which no monitor wants, so they are the default."""
    if text is None:
        return DEFAULT_CONNECT_TIMEOUT_S
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", text):
        raise BadInput(f'connect_timeout is a whole number of seconds, not "{clean(text)}"')
    seconds = int(text)
    return max(2.0, float(seconds)) if seconds > 0 else DEFAULT_CONNECT_TIMEOUT_S


def _passfile(given: Mapping[str, str], environ: Mapping[str, str]) -> Path | None:
    if given.get("passfile"):
        return Path(given["passfile"])
    home = environ.get("HOME")
    return Path(home) / ".pgpass" if home else None


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise BadInput("the operating system has no name for this user: name one with -U") from None


def _parse_pairs(text: str) -> dict[str, str]:
    """key=value pairs with libpq's quoting: spaces around =, single quotes, backslash before any character."""
    found: dict[str, str] = {}
    position = _skip_space(text, 0)
    while position < len(text):
        key = re.compile(r"[^\s=]*").match(text, position)
        assert key is not None
        equals = _skip_space(text, key.end())
        if not key.group() or equals >= len(text) or text[equals] != "=":
            # The word is not echoed: it may be the rest of a password with a space in it.
            raise BadInput(f'missing "=" at character {key.end() + 1} of the connection string')
        value, position = _value(text, _skip_space(text, equals + 1))
        found[key.group()] = value
        position = _skip_space(text, position)
    return found


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\n\r\f\v":
        position += 1
    return position


def _value(text: str, position: int) -> tuple[str, int]:
    """The value that begins here, unquoted, and where it ends."""
    quoted = text[position : position + 1] == "'"
    position += quoted
    value: list[str] = []
    while position < len(text):
        char = text[position]
        if (char == "'") if quoted else (char in " \t\n\r\f\v"):
            return "".join(value), position + quoted
        if char == "\\":
            position += 1
            char = text[position : position + 1]
        value.append(char)
        position += 1
    if quoted:
        raise BadInput("unterminated quoted string in the connection string")
    return "".join(value), position


_AUTHORITY = re.compile(r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?(?P<hosts>[^/?]*)")
_NO_HOST = "the connection URI names no host:port (inside a password, @ / and : are written %40 %2F and %3A)"
_ONE_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[^:]*))?")


def _parse_uri(text: str) -> dict[str, str]:
    """postgresql://user:password@host:port,host:port/dbname?key=value, percent-encoded."""
    rest = text.split("://", 1)[1]
    authority = _AUTHORITY.match(rest)
    assert authority is not None
    path, _, query = rest[authority.end() :].partition("?")
    found: dict[str, str] = {}
    for name in ("user", "password"):
        if authority[name]:
            found[name] = _decoded(authority[name])
    found |= _uri_hosts(authority["hosts"])
    if path[1:]:
        found["dbname"] = _decoded(path[1:])
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise BadInput("after the ? of a connection URI come key=value pairs, separated by &")
        name, value = _decoded(key), _decoded(value)
        if (name, value) == ("ssl", "true"):
            name, value = "sslmode", "require"
        found[name] = value
    return found


def _uri_hosts(text: str) -> dict[str, str]:
    names, ports = [], []
    for part in text.split(","):
        match = _ONE_HOST.fullmatch(part)
        if match is None:
            raise BadInput(_NO_HOST)
        if "@" in part:
            raise BadInput(_NO_HOST)
        names.append(_decoded(match["address"] or match["name"]))
        ports.append(_decoded(match["port"] or ""))
    found = {"host": ",".join(names)} if any(names) else {}
    if any(ports):
        found["port"] = ",".join(ports)
    return found


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise BadInput("invalid percent-encoding in the connection URI")
    raw = unquote_to_bytes(text)
    if b"\0" in raw:
        raise BadInput("%00 is not allowed in the connection URI")
    return raw.decode("utf-8", errors="surrogateescape")
