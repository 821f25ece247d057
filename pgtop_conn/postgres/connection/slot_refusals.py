"""53300: which limit refused the login, and who may still get in. Add a limit: an entry in REFUSALS.

The texts are told apart by their beginnings, since each version and provider ends them in another way; translated ones
by the names in them, which no translation touches, and by the server's function that refused.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from pgtop_conn.model.errors import SlotsExhausted
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.conninfo.conninfo import Host

SQLSTATE = "53300"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One limit. `beginning` is that of the server's text in every version (English)."""

    kind: str
    beginning: str
    #: What it means, and who may still log in.
    meaning: str
    #: What stands in a text of any language, a name of PostgreSQL's own.
    mark: str = ""
    #: Functions of the server's source that speak of nothing else with this code.
    functions: tuple[str, ...] = ()


#: More than one text begins alike: the first that fits counts.
REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "max_wal_senders",
        "number of requested standby connections exceeds",
        "every walsender is taken, so that door is shut; ordinary slots are not touched by it",
        mark="max_wal_senders",
    ),
    Refusal(
        "full",
        "sorry, too many clients already",
        "every slot of max_connections is taken, those of superusers too",
        functions=("InitProcess", "ProcArrayAdd"),
    ),
    Refusal(
        "reserved_connections",
        'remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections"',
        "ordinary roles are out; members of pg_use_reserved_connections and superusers still get in",
        mark="pg_use_reserved_connections",
    ),
    Refusal(
        "provider",
        "remaining connection slots are reserved for non-replication superuser, rds_reserved",
        "ordinary roles are out; members of rds_reserved or rds_superuser still get in",
        mark="rds_",
    ),
    Refusal(
        "superuser_reserved",
        "remaining connection slots are reserved",
        "only the slots of superusers (superuser_reserved_connections) are left",
        functions=("InitPostgres",),
    ),
    Refusal(
        "role",
        "too many connections for role",
        "this role is at its CONNECTION LIMIT; other roles, and superusers, still get in",
        functions=("InitializeSessionUserId",),
    ),
    Refusal(
        "database",
        "too many connections for database",
        "this database is at its CONNECTION LIMIT; other databases, and superusers, still get in",
        functions=("CheckMyDatabase",),
    ),
)
#: The same words as for "full", by the server's first process before it asks who it is: canAcceptConnections().
NEWCOMERS = Refusal(
    "newcomers",
    "",
    "connections that have not finished logging in use up the server's processes, however many slots are free; each"
    " ends after authentication_timeout (a minute by default), and until then nobody gets in",
    functions=("ProcessStartupPacket", "BackendInitialize"),
)
#: A text that none of the servers we know has, as one of a pooler.
UNKNOWN = Refusal("unknown", "", "the server has no slot for this login (53300)")
#: The two where the text of a translation names nothing of PostgreSQL's own but a role or a database.
_NAMELESS = ("role", "database")


def refusal_of(text: str, function: str = "") -> Refusal:
    """The limit that speaks in this text, which `function` of the server sent (PG_DIAG_SOURCE_FUNCTION)."""
    plain = one_line(text)
    if function in NEWCOMERS.functions:
        return NEWCOMERS
    for one in REFUSALS:
        if plain.startswith(one.beginning):
            return one
    # A role's name may hold anything, so that the function goes first where it says enough.
    by_function = next((one for one in REFUSALS if function in one.functions), None)
    if by_function is not None and by_function.kind in _NAMELESS:
        return by_function
    return next((one for one in REFUSALS if one.mark and one.mark in plain), by_function or UNKNOWN)


def passed_on(text: str) -> Refusal | None:
    """The limit of which a pooler passes on the server's English text, with a code of the pooler's own; else None."""
    plain = one_line(text)
    return next((one for one in REFUSALS if plain.startswith(one.beginning)), None)


def exhausted(text: str, host: Host, function: str = "", refusal: Refusal | None = None) -> SlotsExhausted:
    """The error for the user: the server's words and what they mean; `refusal` where it is known already."""
    refusal = refusal or refusal_of(text, function)
    return SlotsExhausted(f"{clean(one_line(text))} — {refusal.meaning}", SQLSTATE, refusal.kind, host.name, host.port)


def is_loopback(host: Host) -> bool:
    """Whether this is TCP that stays on this machine, as far as the address tells."""
    if host.is_socket:
        return False
    if host.dialled == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.dialled).is_loopback
    except ValueError:
        return False
