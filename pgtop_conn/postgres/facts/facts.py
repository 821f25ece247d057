"""Facts: settings, overrides, refused logins and memory, asked for one by one so that each may fail alone.

Add a setting: one name in connection/setting_names.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.facts import Facts, Memory, Override, RefusedLogins, ServerSetting
from pgtop_conn.model.text import clean, decode
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.connection.setting_names import SETTINGS
from pgtop_conn.postgres.facts.host_memory import Elsewhere, postmaster_of, read_memory
from pgtop_conn.postgres.facts.log_refusals import DAY_S, Clock
from pgtop_conn.postgres.facts.server_log import (
    Ask,
    Logs,
    NoLog,
    count_refusals,
    logs_on_host,
    logs_over_sql,
    why_never_logged,
)
from pgtop_conn.postgres.statements import statement

#: Sources of a value that comes from ALTER ROLE or ALTER DATABASE: it is our own session's, not everybody's.
_OUR_OWN = frozenset({"global", "database", "user", "database user"})


@dataclass(frozen=True, slots=True)
class _Asker:
    """The server's clock and who asks, quoted for SQL to copy."""

    at: float
    clock: Clock
    role: str
    database: str


async def read_facts(ask: Ask, link: Link) -> Facts:
    """Everything, over the one connection that `ask` asks; raises nothing but SourceLost."""
    troubles: list[str] = []
    asker = await _asker(ask, troubles)
    settings = await _settings(ask, troubles)
    facts = Facts(at=asker.at, settings=settings, overrides=await _overrides(ask, troubles))
    postmaster: int | None = None
    try:
        postmaster = _postmaster(link)
    except Elsewhere as error:
        not_here = str(error)
    else:
        not_here = ""
    facts = await _with_refusals(facts, ask, asker, postmaster, not_here)
    memory, unknown = await _memory(ask, link, postmaster, not_here)
    return replace(facts, memory=memory, memory_unknown=unknown, troubles=tuple(troubles))


def _postmaster(link: Link) -> int:
    if link.pooled:
        raise Elsewhere("a pooler is between us and the server")
    return postmaster_of(link.endpoint, link.announced_pid)


async def _asker(ask: Ask, troubles: list[str]) -> _Asker:
    try:
        rows = await ask(statement("facts_clock"))
    except PollFailed as error:
        troubles.append(f"the server's clock could not be read: {error}")
        return _Asker(time.time(), Clock(), "our role", "we are connected to")
    ahead = [(row["since"], row["ahead_s"]) for row in rows]
    first = rows[0]
    return _Asker(first["at"], Clock(ahead), clean(decode(first["role"])), clean(decode(first["database"])))


def _setting(row: Mapping[str, Any]) -> ServerSetting:
    return ServerSetting(
        name=clean(row["name"]),
        value=clean(decode(row["value"])),
        unit=clean(row["unit"]),
        shown=clean(decode(row["shown"])),
        context=clean(row["context"]),
        source=clean(row["source"]),
        pending_restart=row["pending_restart"],
    )


async def _settings(ask: Ask, troubles: list[str]) -> Mapping[str, ServerSetting]:
    try:
        rows = await ask(statement("facts_settings"), list(SETTINGS))
    except PollFailed as error:
        troubles.append(f"the settings could not be read: {error}")
        return {}
    settings = {setting.name: setting for setting in map(_setting, rows)}
    own = sorted(name for name, setting in settings.items() if setting.source in _OUR_OWN)
    if not own:
        return settings
    try:
        rows = await ask(statement("facts_server_values"), own)
    except PollFailed as error:
        names = ", ".join(own)
        troubles.append(f"{names}: our role or database has its own, and what others get could not be read: {error}")
        return settings
    return settings | {setting.name: setting for setting in map(_setting, rows)}


async def _overrides(ask: Ask, troubles: list[str]) -> tuple[Override, ...]:
    try:
        rows = await ask(statement("facts_overrides"), list(SETTINGS))
    except PollFailed as error:
        troubles.append(f"the settings of roles and databases could not be read: {error}")
        return ()
    found = []
    for row in rows:
        name, _, value = clean(decode(row["entry"])).partition("=")
        found.append(Override(clean(decode(row["role"])), clean(decode(row["database"])), name, value))
    return tuple(sorted(found, key=lambda one: (one.name, one.role, one.database)))


async def _with_refusals(facts: Facts, ask: Ask, asker: _Asker, postmaster: int | None, not_here: str) -> Facts:
    try:
        logs = await _logs(facts, ask, asker, postmaster, not_here)
    except NoLog as error:
        return replace(facts, refused_unknown=str(error))
    refused, since = await count_refusals(logs, facts.settings, asker.clock, asker.at)
    return _told(facts, logs, refused, since)


async def _logs(facts: Facts, ask: Ask, asker: _Asker, postmaster: int | None, not_here: str) -> Logs:
    """Over SQL, else on the host; NoLog says why neither."""
    if not facts.settings:
        raise NoLog("the server's settings, which tell of its log, could not be read")
    if why := why_never_logged(facts.settings):
        raise NoLog(why)
    try:
        return await logs_over_sql(ask, facts.settings, asker.at, asker.role, asker.database)
    except NoLog as error:
        over_sql = str(error).rstrip(";")
    if postmaster is None:
        raise NoLog(f"{over_sql}; the log itself can be read on the database's host alone: {not_here}")
    try:
        return await asyncio.to_thread(logs_on_host, postmaster, facts.settings, asker.at)
    except NoLog as error:
        raise NoLog(f"{over_sql}; {error}") from None


def _told(facts: Facts, logs: Logs, refused: tuple[RefusedLogins, ...], since: float | None) -> Facts:
    styles = " and ".join(sorted({piece.style.value for piece in logs.pieces})) or "empty"
    source = f"the server log ({styles}), {logs.source}"
    if not logs.whole:
        read = sum(len(piece.data) for piece in logs.pieces) / 2**20
        source += f", its newest {read:.0f} MB alone"
    if since is not None and since > facts.at - DAY_S:
        source += f", whole since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    return replace(facts, refused=refused, refused_source=source, refused_since=since, refused_unknown="")


async def _memory(ask: Ask, link: Link, postmaster: int | None, not_here: str) -> tuple[Memory | None, str]:
    if postmaster is None:
        return None, f"it can be read on the database's host alone: {not_here}"
    try:
        rows = await ask(statement("facts_clients"))
        # Ours is no example of an application's, but better than none.
        clients = [row["pid"] for row in rows if row["pid"] != row["own_pid"]] or [link.announced_pid]
        return await asyncio.to_thread(read_memory, postmaster, clients), ""
    except (PollFailed, Elsewhere) as error:
        return None, str(error)
