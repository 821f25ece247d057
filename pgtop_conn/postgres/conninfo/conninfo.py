"""What libpq accepts -> what the driver needs. How each keyword is treated: keywords.py."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.conninfo import tls_options as tls
from pgtop_conn.postgres.conninfo.auth_methods import METHODS, allowed_methods
from pgtop_conn.postgres.conninfo.keywords import DROPPED_VARIABLES, KEYWORDS, Keyword, Use
from pgtop_conn.postgres.conninfo.other_drivers import in_our_words, unknown
from pgtop_conn.postgres.conninfo.parse import parse
from pgtop_conn.postgres.conninfo.passfile import DEFAULT_SOCKET_FOLDERS, PasswordFile
from pgtop_conn.postgres.conninfo.services import service
from pgtop_conn.postgres.conninfo.tls_options import Tls

DEFAULT_PORT = 5432
DEFAULT_CONNECT_TIMEOUT_S = 10.0

#: The share of the patience that connecting may use up; looking takes time, too.
_SHARED = 0.8
_KEEPALIVE = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")


@dataclass(frozen=True, slots=True)
class Host:
    """One place to try. `name` is a host, an address, or the folder of a socket."""

    name: str
    port: int
    password: str | None = field(default=None, repr=False)
    #: hostaddr: what is dialled instead of the name.
    address: str = ""
    #: Why a password file that is there gave no password, for when the server asks for one.
    no_password: str = field(default="", compare=False)

    @property
    def is_socket(self) -> bool:
        """A folder, or with @ a name in Linux's abstract namespace."""
        return not self.address and self.name.startswith(("/", "@"))

    @property
    def dialled(self) -> str:
        return self.address or self.name

    def __str__(self) -> str:
        """For messages: cleaned."""
        if self.is_socket:
            return clean(f"socket {self.name}/.s.PGSQL.{self.port}")
        named = f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"
        return clean(f"{named} ({self.address})" if self.address not in ("", self.name) else named)


@dataclass(frozen=True, slots=True)
class ConnInfo:
    """Where to connect and as whom, with nothing left for the driver to look up. Never prints a password."""

    hosts: tuple[Host, ...]
    user: str
    database: str
    tls: Tls = field(default_factory=Tls)
    target_session_attrs: str = "any"
    connect_timeout_s: float = DEFAULT_CONNECT_TIMEOUT_S
    #: Whether it was given.
    gives_timeout: bool = False
    #: load_balance_hosts=random: hosts and addresses are tried in any order.
    shuffles: bool = False
    #: Settings of the session as libpq's options say them, sent at the login; ours come after them.
    options: str = ""
    #: Socket options by libpq's keyword.
    keepalive: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    #: Ways of authentication that may be answered.
    allowed: frozenset[str] = frozenset(METHODS)
    #: The operating system's user that a server behind a socket must run as; "" for any.
    require_peer: str = ""
    #: Driver keywords by name.
    driver: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    #: What was left out or read in another way, a short line each; never a value.
    notes: tuple[str, ...] = ()
    #: The password that was typed, which no file replaces.
    typed: str | None = field(default=None, repr=False)
    #: Reads the same once more; it holds what was typed, passwords in a URI too.
    again: Callable[[], ConnInfo] | None = field(default=None, repr=False, compare=False)
    #: Seconds for all places together; None where a time was given for each (connect_timeout).
    patience_s: float | None = None

    @property
    def host(self) -> str:
        """The first place tried; Server.host says where we are connected."""
        return self.hosts[0].name

    @property
    def port(self) -> int:
        return self.hosts[0].port

    @property
    def sslmode(self) -> str:
        return self.tls.mode

    @property
    def password(self) -> str | None:
        """The password of the first host; each host has its own where a password file says so."""
        return self.hosts[0].password

    def with_password(self, password: str) -> ConnInfo:
        """The same with this password for every host, as typed at a prompt."""
        hosts = tuple(replace(host, password=password) for host in self.hosts)
        return replace(self, hosts=hosts, typed=password)

    def within(self, seconds: float) -> ConnInfo:
        """The same for one who waits so long for all places together, where no connect_timeout was given."""
        return self if self.gives_timeout else replace(self, patience_s=seconds)

    def seconds_for_one(self, places: int) -> float:
        """How long to wait at one of so many places."""
        if self.patience_s is None or places < 2:
            return self.connect_timeout_s
        return min(self.connect_timeout_s, _SHARED * self.patience_s / places)

    def renewed(self) -> ConnInfo:
        """Read again from the service file and the password file. Blocks for as long as that takes; raises BadInput."""
        if self.again is None:
            return self
        found = replace(self.again(), patience_s=self.patience_s)
        return found if self.typed is None else found.with_password(self.typed)


def resolve(
    conninfo: str | None,
    *,
    host: str | None = None,
    port: int | str | None = None,
    user: str | None = None,
    database: str | None = None,
    environ: Mapping[str, str],
) -> ConnInfo:
    """The conninfo over options over the service over PG* variables over defaults, as psql does (measured, psql 18).

    `psql -h A 'host=B'` connects to B, and an address, PGHOSTADDR too, is dialled whatever the host is called.
    `conninfo` is a URI, a key=value string or a database name; `database` may be any of these too, and wins over it.
    Raises BadInput.
    """
    options = {"host": host, "port": None if port is None else str(port), "user": user}
    given = {name: value for name, value in options.items() if value is not None}
    notes: list[str] = []
    for text in (conninfo, database):
        if text:
            found, said = in_our_words(*parse(text))
            given |= found
            notes += said
    name = given.get("service", environ.get("PGSERVICE"))
    if name is not None:
        file = given.get("servicefile") or environ.get("PGSERVICEFILE")
        given = service(name, file, environ) | given
    given = _environment(environ) | given
    notes += _judge(given)
    notes += [f"{name} is left out: it has no meaning here" for name in DROPPED_VARIABLES if environ.get(name)]
    built = _build({name: value for name, value in given.items() if value}, environ, notes)
    again = partial(resolve, conninfo, host=host, port=port, user=user, database=database, environ=environ)
    return replace(built, again=again)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    found = {word.name: environ[word.env] for word in KEYWORDS.values() if word.env and environ.get(word.env)}
    if environ.get("PGREQUIRESSL") == "1":
        found.setdefault("sslmode", "require")
    return found


def _judge(given: Mapping[str, str]) -> list[str]:
    """Refuse what is unknown, what is no value of its keyword, and what can't be met; notes on what is dropped."""
    notes = []
    for name, value in given.items():
        keyword = KEYWORDS.get(name)
        if keyword is None:
            raise unknown(name)
        if not value:
            continue
        if keyword.values and value not in keyword.values:
            # What stands in a wrong place may be a password: no value is echoed.
            raise BadInput(f"{name} is one of {', '.join(keyword.values)}")
        if value not in keyword.harmless:
            notes += _unmet(keyword, value)
    return notes


def _unmet(keyword: Keyword, value: str) -> list[str]:
    if keyword.use is Use.REFUSED:
        shown = f"={value}" if value in keyword.values else ""
        raise BadInput(f"{keyword.name}{shown} cannot be honoured: {keyword.why}")
    return [f"{keyword.name} is left out: {keyword.why}"] if keyword.use is Use.DROPPED and keyword.why else []


def _build(given: Mapping[str, str], environ: Mapping[str, str], notes: list[str]) -> ConnInfo:
    user = given.get("user") or _system_user()
    database = given.get("dbname") or user
    hosts = _hosts(given)
    demanded = _tls(given, environ)
    if demanded.mode == tls.VERIFY_FULL and given.get("hostaddr") and not given.get("host"):
        raise BadInput("sslmode=verify-full needs the host's name beside its address (hostaddr)")
    password = given.get("password")
    if password is not None:
        hosts = tuple(replace(host, password=password) for host in hosts)
    else:
        hosts, problem = _looked_up(hosts, _passfile(given, environ), database, user)
        notes += problem
    return ConnInfo(
        hosts=hosts,
        user=user,
        database=database,
        tls=demanded,
        target_session_attrs=given.get("target_session_attrs", "any"),
        connect_timeout_s=_connect_timeout_s(given.get("connect_timeout")),
        gives_timeout=bool(given.get("connect_timeout")),
        shuffles=given.get("load_balance_hosts") == "random",
        options=given.get("options", ""),
        keepalive=MappingProxyType({name: _number(name, given[name]) for name in _KEEPALIVE if name in given}),
        allowed=allowed_methods(given.get("require_auth", "")),
        require_peer=given.get("requirepeer", ""),
        driver=MappingProxyType({name: text for name, text in given.items() if KEYWORDS[name].use is Use.DRIVER}),
        notes=tuple(dict.fromkeys(notes)),
    )


def _looked_up(
    hosts: tuple[Host, ...], passfile: Path | None, database: str, user: str
) -> tuple[tuple[Host, ...], list[str]]:
    """Each host with the password file's password for it, or why it has none; and a note where the file is unusable."""
    if passfile is None:
        return hosts, []
    file = PasswordFile.read(passfile)
    found = []
    for host in hosts:
        secret, why = file.find(host.name, host.port, database, user)
        found.append(replace(host, password=secret, no_password=clean(why)))
    return tuple(found), [clean(file.problem)] if file.problem else []


def _tls(given: Mapping[str, str], environ: Mapping[str, str]) -> Tls:
    root = given.get("sslrootcert", "")
    home = environ.get("HOME")
    demanded = Tls(
        mode=given.get("sslmode", tls.VERIFY_FULL if root == tls.SYSTEM else "prefer"),
        direct=given.get("sslnegotiation") == "direct",
        root=root,
        certificate=given.get("sslcert", ""),
        key=given.get("sslkey", ""),
        key_password=given.get("sslpassword", ""),
        revoked=given.get("sslcrl", ""),
        revoked_folder=given.get("sslcrldir", ""),
        certificate_mode=given.get("sslcertmode", "allow"),
        names_server=given.get("sslsni") != "0",
        lowest=given.get("ssl_min_protocol_version", "TLSv1.2"),
        highest=given.get("ssl_max_protocol_version", ""),
        folder=Path(home, ".postgresql") if home else None,
    )
    tls.judge(demanded)
    return demanded


def _hosts(given: Mapping[str, str]) -> tuple[Host, ...]:
    """Names, addresses and ports paired as libpq does: one port for all, or as many as there are hosts."""
    names = given.get("host", "").split(",")
    addresses = [""] * len(names)
    if given.get("hostaddr"):
        addresses = given["hostaddr"].split(",")
        if not given.get("host"):
            names = [""] * len(addresses)
        if len(names) != len(addresses):
            raise BadInput("hostaddr and host name different numbers of hosts")
    ports = [_port(text) for text in given.get("port", "").split(",")]
    if len(ports) == 1:
        ports *= len(names)
    if len(ports) != len(names):
        raise BadInput(f"{len(ports)} ports given for {len(names)} hosts")
    found = []
    for name, address, port in zip(names, addresses, ports, strict=True):
        if address:
            found.append(Host(name or address, port, address=address))
        else:
            found += [Host(place, port) for place in ((name,) if name else DEFAULT_SOCKET_FOLDERS)]
    return tuple(found)


def _port(text: str) -> int:
    if not text.strip():
        return DEFAULT_PORT
    if not re.fullmatch(r"\s*[0-9]{1,5}\s*", text) or not 1 <= int(text) <= 65535:
        # Not echoed: after an unescaped / or @ in a URI's password this is a piece of the password.
        raise BadInput("a port is a number from 1 to 65535")
    return int(text)


def _number(name: str, text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise BadInput(f"{name} is a whole number")
    return int(text)


def _connect_timeout_s(text: str | None) -> float:
    """Seconds for one host; 0 and less mean no limit to libpq, which no monitor wants, so they are the default."""
    seconds = 0 if text is None else _number("connect_timeout", text)
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
