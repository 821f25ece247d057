"""From a ConnInfo to a Link: host after host, one connection at a time, every failure one clear line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import asyncpg

from pgtop_conn.model.errors import (
    BadInput,
    ConnectError,
    Failure,
    PasswordNeeded,
    PollFailed,
    SlotsExhausted,
    SourceLost,
)
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.connection.login import login
from pgtop_conn.postgres.connection.login_errors import NoServer, explained, is_trouble
from pgtop_conn.postgres.connection.pooler_refusals import pooler_text
from pgtop_conn.postgres.connection.privileges import Statements
from pgtop_conn.postgres.connection.socket import Address, addresses
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, Host
from pgtop_conn.postgres.conninfo.passfile import DEFAULT_SOCKET_FOLDERS
from pgtop_conn.postgres.statements import statement

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

#: What PgBouncer says in statement mode, where a transaction ends the connection.
_NO_TRANSACTIONS = "transaction blocks not allowed"
_UNSET = "statements run under the role's own settings, since the pooler (statement mode) takes no transactions"


async def read_again(info: ConnInfo) -> tuple[ConnInfo, str]:
    """The same with what its files say by now; where they can't be read, as it was, and why."""
    try:
        return await asyncio.to_thread(info.renewed), ""
    except BadInput as error:
        return info, str(error)


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
    hosts = random.sample(info.hosts, len(info.hosts)) if info.shuffles else info.hosts
    for host in hosts:
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
        return telling[0] if telling else NoServer(f"no server: no socket for port {port} in {places}")
    return _together([(str(error), error) for _, error in failures])


def _together(told: list[tuple[str, ConnectError]]) -> ConnectError:
    """One error for all: each text once, and of their kinds the one that says most."""
    errors = [error for _, error in told]
    if len({str(error) for error in errors}) == 1:
        return errors[-1]
    failure = Failure.of_all(error.failure for error in errors)
    sqlstate = next((error.sqlstate for error in reversed(errors) if error.failure is failure), None)
    return ConnectError("; ".join(dict.fromkeys(text for text, _ in told)), sqlstate, failure=failure)


async def _connect_to(info: ConnInfo, host: Host, wanted: str, kind: type[Link]) -> Link:
    """The first address of the host that answers; each has connect_timeout for itself, as with libpq."""
    failures: list[tuple[str, ConnectError]] = []
    found = await _addresses(info, host)
    seconds = info.seconds_for_one(len(found) * len(info.hosts))
    for address in found:
        try:
            return await _connect_at(info, host, address, wanted, kind, seconds)
        except ConnectError as error:
            if error.failure is not Failure.UNREACHABLE:
                raise
            failures.append((f"{error} ({address})", error))
    raise _together(failures)


async def _addresses(info: ConnInfo, host: Host) -> tuple[Address, ...]:
    """At least one. Raises ConnectError."""
    seconds = info.seconds_for_one(len(info.hosts))
    try:
        async with asyncio.timeout(seconds):
            found = await addresses(info, host)
    except TimeoutError:
        text = f'host "{clean(host.dialled)}" was not looked up within {seconds:.3g} s'
        raise ConnectError(text, failure=Failure.UNREACHABLE) from None
    except (OSError, ValueError) as error:
        raise explained(error, info, host) from None
    if not found:
        raise NoServer(f"{host} has no address")
    return found


async def _connect_at(
    info: ConnInfo, host: Host, address: Address, wanted: str, kind: type[Link], seconds: float
) -> Link:
    try:
        return await _enter(info, host, address, wanted, kind, seconds)
    except ConnectError as error:
        if _NO_TRANSACTIONS not in str(error):
            raise
    link = await _enter(info, host, address, wanted, kind, seconds, transactions=False)
    link.notes = (*link.notes, _UNSET)
    return link


async def _enter(
    info: ConnInfo,
    host: Host,
    address: Address,
    wanted: str,
    kind: type[Link],
    seconds: float,
    *,
    transactions: bool = True,
) -> Link:
    link: Link | None = None
    try:
        async with asyncio.timeout(seconds):
            link = await login(info, host, address, kind)
            link.transactions = transactions
            await _prepare(link, wanted)
    except BaseException as error:
        if isinstance(error, ConnectError) and link is not None:
            # It answers, and is not the one: its session has ended before another one is opened.
            await link.close()
        elif link is not None:
            link.cut("the login was given up")
            if (witness := link.take_witness()) is not None:
                witness.close()
        if isinstance(error, TimeoutError):
            text = f"no answer from {host} within {seconds:.3g} s"
            raise ConnectError(text, failure=Failure.UNREACHABLE) from None
        if isinstance(error, SourceLost):
            raise _ended_at_once(error, link, info, host) from None
        if is_trouble(error):
            raise explained(error, info, host) from None
        raise
    return link


def _ended_at_once(error: SourceLost, link: Link | None, info: ConnInfo, host: Host) -> ConnectError:
    """Why a session ended before its first answer. A pooler says only then that it has no server for us."""
    if link is not None and link.watched is not None and link.watched.why_ended:
        return ConnectError(f"no session at {host}: {error}", failure=Failure.UNREACHABLE)
    said = pooler_text(str(error))
    if said is not None:
        return ConnectError(f"{error} — {said.meaning}", failure=said.failure)
    failure = Failure.UNABLE
    if link is not None and link.last_word is not None:
        told = explained(link.last_word, info, host)
        if pooler_text(str(told)) is not None:
            return told
        failure = told.failure
    return ConnectError(f"{host} ended the session at once: {error}", failure=failure)


async def _prepare(link: Link, wanted: str) -> None:
    """Look for a pooler before anything is set or named: both would leak to other clients through it."""
    if link.door:
        from pgtop_conn.postgres.connection.walsender import WalsenderLink

        assert isinstance(link, WalsenderLink)
        await link.prepare_output()
        await _leave_one_sender(link)
    facts = await _first(link, "detect")
    if not _WANTED[wanted](facts["in_recovery"], facts["read_only"]):
        kind = "a standby" if facts["in_recovery"] else "read-only" if facts["read_only"] else "a primary"
        text = f"the server at {link.host} is {kind}, and target_session_attrs={wanted}"
        raise ConnectError(text, failure=Failure.UNWANTED)
    link.version_num = facts["version_num"]
    if facts["pid"] != link.announced_pid:
        return
    await link.prepare()
    link.pooled = False


async def _first(link: Link, name: str) -> Any:
    """The row of a statement; what was revoked is gone without, or named in the ConnectError."""
    try:
        return (await link.fetch(statement(name)))[0]
    except asyncpg.InsufficientPrivilegeError as error:
        code = error.sqlstate
    try:
        return (await Statements(link).ask(name))[0]
    except PollFailed as error:
        raise ConnectError(f"in at {link.host}, but {error}", code, failure=Failure.LOGIN) from None


async def _leave_one_sender(link: Link) -> None:
    """A standby that lost its connection must find one; ours is counted already."""
    senders = await _first(link, "senders")
    if senders["used"] >= senders["most"]:
        raise ConnectError(
            f"the walsender door stays shut: {senders['used']} of max_wal_senders = {senders['most']} would be in use,"
            " and the last one is left to a standby",
            failure=Failure.OURS,
        )
