"""One signal to one session, with everything that was known of it re-checked by the server in the same statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncpg

from pgtop_conn.model.application_name import raw_name
from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.signalling.server_identity import Relation
from pgtop_conn.model.source import BEFORE, Action, Outcome, Status, Target
from pgtop_conn.model.text import clean, decode
from pgtop_conn.postgres.connection.link import Link, server_text
from pgtop_conn.postgres.statements import signalling, statement

#: From a role's name, as it was cleaned and judged, to the names it stands for, as the server stores them.
RawNames = Callable[[str], Sequence[bytes]]


async def signal_each(
    link: Link | None, action: Action, targets: Sequence[Target], raw_names: RawNames
) -> list[Outcome]:
    """One Outcome each, in order; a refusal stops no other, a lost connection leaves the rest unsent."""
    outcomes: list[Outcome] = []
    for target in targets:
        if link is None or link.lost:
            outcomes.append(Outcome(target, Status.NOT_SENT, "connection lost"))
        elif target.key.backend_start is None:
            outcomes.append(Outcome(target, Status.DENIED, "not sent: the server hides when this session began"))
        else:
            outcomes.append(await _signal(link, action, target, raw_names(target.role)))
    return outcomes


async def _signal(link: Link, action: Action, target: Target, names: Sequence[bytes]) -> Outcome:
    try:
        rows = await link.fetch(
            signalling(action),
            target.key.pid,
            target.key.backend_start,
            target.state,
            target.state_change,
            target.query_start,
            target.backend_type,
            target.wrote,
            [name.hex() for name in names],
            target.allow_superuser,
            target.allow_replication,
            target.allow_unknown_role,
            target.allow_namesake,
            target.busy,
            # Only where it is compared: by the walsender door a statement may be written into the server's log.
            [raw_name(target.app, target.app_host).encode().hex()] if target.busy else [],
        )
        if rows:
            # False: it ended in the instant between the look and the signal.
            return Outcome(target, Status.SIGNALLED) if rows[0]["signalled"] else Outcome(target, Status.GONE, BEFORE)
    except SourceLost as error:
        # Sent or not: its end tells.
        return Outcome(target, Status.SIGNALLED, note=f"the connection was lost while one was signalled: {error}")
    except asyncpg.PostgresError as error:
        return Outcome(target, Status.DENIED, server_text(error))
    try:
        return await _why_nobody(link, target)
    except SourceLost:
        return Outcome(target, Status.NOT_SENT, "no longer as it was chosen; connection lost")
    except asyncpg.PostgresError as error:
        return Outcome(target, Status.NOT_SENT, f"no longer as it was chosen; why is not known: {server_text(error)}")


async def _why_nobody(link: Link, target: Target) -> Outcome:
    """Nothing was sent: is the session gone, has it changed, or does a guard protect it?"""
    rows = await link.fetch(statement("still_there"), target.key.pid, target.key.backend_start)
    row = rows[0]
    if target.server_start not in (None, row["server_start"]):
        # Behind a pooler, or over a new connection after a failover: nobody of the first server is here.
        return Outcome(target, Status.NOT_SENT, str(Relation.UNSURE))
    if not row["there"]:
        return Outcome(target, Status.GONE, BEFORE)
    if target.busy:
        if row["wrote"] and not target.wrote:
            return Outcome(target, Status.CHANGED, "its transaction has written since it was chosen")
        if row["app"] != raw_name(target.app, target.app_host):
            return Outcome(target, Status.CHANGED, f"its application is now called {clean(row['app'])}")
    elif row["state"] != target.state:
        return Outcome(target, Status.CHANGED, f"now {clean(row['state'] or 'without a state')}")
    elif (row["state_change"], row["query_start"]) != (target.state_change, target.query_start):
        return Outcome(target, Status.CHANGED, "another query since it was chosen")
    elif row["wrote"] != target.wrote:
        return Outcome(target, Status.CHANGED, "its transaction has written since it was chosen")
    if row["role"] is None:
        return Outcome(target, Status.DENIED, "left alone: its role is unknown or was dropped")
    role = clean(decode(row["role"]))
    if role != target.role:
        return Outcome(target, Status.CHANGED, f"its role is now called {role}")
    return Outcome(target, Status.DENIED, "left alone: it is guarded")
