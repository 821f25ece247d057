"""What a pooler says instead of a login, and whose trouble that is. Add a text: an entry in TEXTS.

PgBouncer sends nearly all of its errors with 08P01, Supavisor with XX000 and Odyssey with 53300, so the text decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgtop_conn.model.errors import Failure
from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.text import one_line

#: The codes that poolers send. A server sends the first of them to nobody who speaks the protocol.
SQLSTATES = ("08P01", "XX000", "53300")


@dataclass(frozen=True, slots=True)
class PoolerText:
    """`beginning` matches the beginning of the text."""

    failure: Failure
    beginning: re.Pattern[str]
    meaning: str


def _begins(*patterns: str) -> re.Pattern[str]:
    return later("|".join(patterns), re.IGNORECASE)


TEXTS: tuple[PoolerText, ...] = (
    PoolerText(
        Failure.POOLER_FULL,
        _begins(
            # PgBouncer.
            r"no more connections allowed",
            r"client connections exceeded \(max_",
            # Odyssey.
            r"too many tcp connections \(global client_max",
            r"too many active clients for user",
            # Supavisor, old and new.
            r"max client connections reached",
            r"MaxClientsInSessionMode",
            r"\(EMAXCONN",
        ),
        "this is a limit of the pooler, not of the server: a client of the pooler has to leave first",
    ),
    PoolerText(
        Failure.POOLER_FULL,
        _begins(r"query_wait_timeout", r"unable to check out process from the pool", r"\(ECHECKOUTTIMEOUT"),
        "every connection of the pooler's pool stayed busy for as long as the pooler lets a client wait",
    ),
    PoolerText(
        Failure.STARTING,
        _begins(r"pooler is shutting down", r"server shutting down"),
        "the pooler is stopping",
    ),
    PoolerText(
        Failure.UNABLE,
        _begins(r"server login (has been failing|failed)", r"client_login_timeout", r"pgbouncer cannot connect"),
        "the pooler gets no connection to its server",
    ),
    PoolerText(
        Failure.UNABLE,
        _begins(r'database ".*" is disabled\Z'),
        "somebody closed this database at the pooler; ENABLE in its admin console opens it again",
    ),
    PoolerText(
        Failure.LOGIN,
        _begins(r"not allowed\Z"),
        "this is the pooler's admin console, and the role is in neither admin_users nor stats_users; to look at the"
        " server, name a database of it",
    ),
    PoolerText(
        Failure.LOGIN,
        # The second is what PgBouncer's console says of statements that it does not know.
        _begins(r"extended query protocol not supported by admin console", r"failure\Z", r"invalid command "),
        "this is the pooler's admin console; to look at the server, name a database of it",
    ),
)
#: Before the server's own text, where the pooler passes on what its last login came to.
_PASSED_ON = later(r"server login (?:has been failing, cached error|failed): (?:(?:FATAL|ERROR|PANIC):? *)?(.+)")


def pooler_text(text: str) -> PoolerText | None:
    """The entry for what a pooler said; None for what no pooler says."""
    plain = one_line(text)
    return next((one for one in TEXTS if one.beginning.match(plain)), None)


def servers_text(text: str) -> str:
    """The server's own text inside the pooler's, or all of it: PgBouncer passes some on as they are.

    >>> servers_text("server login has been failing, cached error: FATAL: sorry, too many clients already")
    'sorry, too many clients already'
    """
    found = _PASSED_ON.match(one_line(text))
    return found[1] if found else one_line(text)
