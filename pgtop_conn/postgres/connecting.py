"""From a ConnInfo to a Link: host after host, one connection at a time, every failure one clear line."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import asyncpg

from pgtop_conn.model.errors import BadInput, ConnectError, PasswordNeeded, SlotsExhausted, SourceLost
from pgtop_conn.model.snapshot import OWN_APPLICATION_NAME
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.conninfo import ConnInfo, Host
from pgtop_conn.postgres.link import Link, server_text
from pgtop_conn.postgres.passfile import DEFAULT_SOCKET_FOLDERS
from pgtop_conn.postgres.refused import SQLSTATE, exhausted
from pgtop_conn.postgres.statements import statement
from pgtop_conn.postgres.walsender import WalsenderLink

#: What may be wrong on the way in; anything else is our own mistake and shows as one.
_TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError)

#: Whether a server in recovery, and one that is read-only by default, is acceptable.
_WANTED: Mapping[str, Callable[[bool, bool], bool]] = MappingProxyType(
    {
        "any": lambda _recovery, _read_only: True,
        "read-write": lambda recovery, read_only: not recovery and not read_only,
        "read-only": lambda recovery, read_only: recovery or read_only,
        "primary": lambda recovery, _read_only: not recovery,
        "standby": lambda recovery, _read_only: recovery,
    }
)


async def connect(info: ConnInfo, kind: type[Link] = Link) -> Link:
    """The first host that answers and is wanted. Raises ConnectError, PasswordNeeded or SlotsExhausted.

    With WalsenderLink as `kind` it goes in by the walsender door.
    """
    if info.target_session_attrs != "prefer-standby":
        return await _first_wanted(info, info.target_session_attrs, kind)
    try:
        return await _first_wanted(info, "standby", kind)
    except (PasswordNeeded, SlotsExhausted):
        raise
    except ConnectError:
        return await _first_wanted(info, "any", kind)


async def _first_wanted(info: ConnInfo, wanted: str, kind: type[Link]) -> Link:
    failures: list[tuple[Host, ConnectError]] = []
    for host in info.hosts:
        try:
            return await _connect_to(info, host, wanted, kind)
        except ConnectError as error:
            # As libpq: a server that answers ends the search, unless it is starting up or not the one that is wanted.
            if error.sqlstate not in (None, "57P03"):
                raise
            failures.append((host, error))
    raise _nobody(failures)


def _nobody(failures: list[tuple[Host, ConnectError]]) -> ConnectError:
    if all(host.name in DEFAULT_SOCKET_FOLDERS for host, _ in failures) and len(failures) > 1:
        telling = [error for host, error in failures if not isinstance(error, NoServer)]
        port = failures[0][0].port
        places = ", ".join(host.name for host, _ in failures)
        return telling[0] if telling else ConnectError(f"no server: no socket for port {port} in {places}")
    if len(failures) == 1:
        return failures[0][1]
    return ConnectError("; ".join(str(error) for _, error in failures), failures[-1][1].sqlstate)


class NoServer(ConnectError):
    """Nothing listens there."""


async def _connect_to(info: ConnInfo, host: Host, wanted: str, kind: type[Link]) -> Link:
    link: Link | None = None
    try:
        async with asyncio.timeout(info.connect_timeout_s):
            link = kind(await asyncpg.connect(**_driver_arguments(info, host, kind)), host)
            await _prepare(link, wanted)
    except BaseException as error:
        if link is not None:
            link.cut("the login was given up")
        if isinstance(error, TimeoutError):
            raise ConnectError(f"no answer from {host} within {info.connect_timeout_s:.0f} s") from None
        if isinstance(error, SourceLost):
            raise ConnectError(f"{host} ended the session at once: {error}") from None
        if isinstance(error, _TROUBLE):
            raise _explained(error, info, host) from None
        raise
    return link


async def _prepare(link: Link, wanted: str) -> None:
    """Look for a pooler before anything is set or named: both would leak to other clients through it."""
    if isinstance(link, WalsenderLink):
        await link.prepare_output()
        await _leave_one_sender(link)
    facts = (await link.fetch(statement("detect")))[0]
    if not _WANTED[wanted](facts["in_recovery"], facts["read_only"]):
        kind = "a standby" if facts["in_recovery"] else "read-only" if facts["read_only"] else "a primary"
        raise ConnectError(f"the server at {link.host} is {kind}, and target_session_attrs={wanted}")
    link.version_num = facts["version_num"]
    if facts["pid"] != link.announced_pid:
        return
    await link.fetch(statement("settings"))
    if link.encoding != "UTF8":
        await link.fetch(statement("raw_encoding"))
    link.pooled = False


async def _leave_one_sender(link: Link) -> None:
    """A standby that lost its connection must find one; ours is counted already."""
    senders = (await link.fetch(statement("senders")))[0]
    if senders["used"] >= senders["most"]:
        raise ConnectError(
            f"the walsender door stays shut: {senders['used']} of max_wal_senders = {senders['most']} would be in use,"
            " and the last one is left to a standby"
        )


def _driver_arguments(info: ConnInfo, host: Host, kind: type[Link] = Link) -> dict[str, Any]:
    """Everything said outright, since what is left out the driver reads from PG* variables and password files."""
    sslmode = "disable" if host.is_socket else info.sslmode
    driver = {"sslnegotiation": "postgres", "ssl_min_protocol_version": "TLSv1.2", **info.driver}
    if host.is_socket:
        driver["sslnegotiation"] = "postgres"
    arguments: dict[str, Any] = {
        "host": [host.name],
        "port": [host.port],
        "user": info.user,
        "password": host.password or "",
        "database": info.database,
        "ssl": sslmode,
        "target_session_attrs": "any",
        "krbsrvname": driver.pop("krbsrvname", "postgres"),
        "gsslib": driver.pop("gsslib", "gssapi"),
        "server_settings": {"application_name": OWN_APPLICATION_NAME, **kind.startup},
        # No statement may be named before it is known that no pooler is between; Link names its own afterwards.
        "statement_cache_size": 0,
    }
    if driver.get("sslrootcert") == "system":
        driver["sslrootcert"] = _system_certificates()
    _check_files(driver, sslmode)
    arguments["dsn"] = f"postgresql://?{urlencode(driver)}"
    return arguments


def _check_files(driver: Mapping[str, str], sslmode: str) -> None:
    """The driver's own error for a file it cannot read does not name the file."""
    verifying = ("sslrootcert", "sslcrl") if sslmode in ("require", "verify-ca", "verify-full") else ()
    for name in (*verifying, "sslcert", "sslkey") if sslmode != "disable" else ():
        if name in driver and not os.access(driver[name], os.R_OK):
            raise ConnectError(clean(f"cannot read the file of {name}: {driver[name]}"))


def _system_certificates() -> str:
    found = ssl.get_default_verify_paths().cafile
    if found is None or not Path(found).exists():
        raise BadInput("sslrootcert=system: this machine has no file of root certificates")
    return found


def _explained(error: Exception, info: ConnInfo, host: Host) -> ConnectError:
    """One line for the user; never the driver's own words where they say less."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate and not _is_ours(error):
        return _refused(error, info, host)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectError(clean(f"SSL: the certificate of {host} is not accepted: {error.verify_message}"))
    if isinstance(error, ssl.SSLError):
        return ConnectError(clean(f"SSL with {host} failed: {one_line(error.reason or str(error))}"))
    if isinstance(error, socket.gaierror):
        return NoServer(clean(f'host "{host.name}" not found: {error.strerror}'))
    text = one_line(str(error))
    if isinstance(error, OSError) and "rejected SSL upgrade" in text:
        return ConnectError(f"the server at {host} has no SSL, and sslmode={info.sslmode} demands it")
    if isinstance(error, (ConnectionRefusedError, FileNotFoundError)) or "Connect call failed" in text:
        return NoServer(f"no server at {host}: {_reason(error)}")
    if isinstance(error, OSError) and error.strerror:
        return ConnectError(clean(f"cannot connect to {host}: {error.strerror}"))
    return ConnectError(clean(f"cannot connect to {host}: {text}"))


def _is_ours(error: asyncpg.PostgresError) -> bool:
    """The driver's own errors borrow the class; without a severity no server sent them."""
    return getattr(error, "severity", None) is None


def _reason(error: BaseException) -> str:
    return "no such socket" if isinstance(error, FileNotFoundError) else "connection refused"


def _refused(error: asyncpg.PostgresError, info: ConnInfo, host: Host) -> ConnectError:
    text, code = server_text(error), error.sqlstate
    notes = "".join(f" ({note})" for note in info.notes)
    if code == "28P01":
        if host.password:
            return PasswordNeeded(f"{text}{notes}", code)
        return PasswordNeeded(clean(f"the server at {host} asks for the password of {info.user}") + notes, code)
    if code == SQLSTATE:
        return exhausted(str(error), info, host)
    return ConnectError(text, code)
