"""53300: which limit refused the login, who may still get in, and the next command to type. Add a limit: one entry.

The texts are told apart by their beginnings, since each version and provider ends them in another way.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgtop_conn.model.errors import SlotsExhausted
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.conninfo import ConnInfo, Host

PROGRAM = "pgtop-conn"
SQLSTATE = "53300"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One limit. `beginning` is that of the server's text in every version (English)."""

    kind: str
    beginning: str
    #: What it means, and who may still log in.
    meaning: str
    #: The ways that are still open, best first; "host" only where we are on the server's host.
    ways: tuple[str, ...]


#: More than one text begins alike: the first that fits counts.
REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "full",
        "sorry, too many clients already",
        "every slot of max_connections is taken, those of superusers too (or logins that never finish hold the rest)",
        ("walsender", "host", "wait"),
    ),
    Refusal(
        "reserved_connections",
        'remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections"',
        "ordinary roles are out; members of pg_use_reserved_connections and superusers still get in",
        ("superuser", "walsender", "host", "wait"),
    ),
    Refusal(
        "provider",
        "remaining connection slots are reserved for non-replication superuser, rds_reserved",
        "ordinary roles are out; members of rds_reserved or rds_superuser still get in",
        ("rds", "wait"),
    ),
    Refusal(
        "superuser_reserved",
        "remaining connection slots are reserved",
        "only the slots of superusers (superuser_reserved_connections) are left",
        ("superuser", "walsender", "host", "wait"),
    ),
    Refusal(
        "role",
        "too many connections for role",
        "this role is at its CONNECTION LIMIT; other roles, and superusers, still get in",
        ("role", "walsender", "host", "wait"),
    ),
    Refusal(
        "database",
        "too many connections for database",
        "this database is at its CONNECTION LIMIT; other databases, and superusers, still get in",
        ("database", "walsender", "host", "wait"),
    ),
    Refusal(
        "max_wal_senders",
        "number of requested standby connections exceeds",
        "every walsender is taken, so that door is shut; ordinary slots are not touched by it",
        ("ordinary", "host", "wait"),
    ),
)
#: A text that none of the versions we know has, or one that lc_messages has translated.
UNKNOWN = Refusal(
    "unknown", "", "the server has no slot for this login (53300)", ("superuser", "walsender", "host", "wait")
)


def refusal_of(text: str) -> Refusal:
    """The limit that speaks in this text."""
    plain = one_line(text)
    return next((one for one in REFUSALS if plain.startswith(one.beginning)), UNKNOWN)


def exhausted(text: str, info: ConnInfo, host: Host) -> SlotsExhausted:
    """The error for the user: the server's words and what they mean, with the ways that are left as advice."""
    refusal = refusal_of(text)
    ways = (_WAYS[way](info, host) for way in refusal.ways)
    advice = tuple(f"{why}: {command}" for why, command in (pair for pairs in ways for pair in pairs))
    return SlotsExhausted(f"{clean(one_line(text))} — {refusal.meaning}", SQLSTATE, refusal.kind, advice)


def is_local(host: Host) -> bool:
    """Whether the server's processes are on this machine, as far as the address tells."""
    return host.is_socket or host.name in ("localhost", "127.0.0.1", "::1")


def command(info: ConnInfo, host: Host, *extra: str, user: str = "", database: str = "") -> str:
    """The command line that comes here again, with `extra` options; never a password."""
    parts = [PROGRAM, *extra, "-h", host.name, "-p", str(host.port), "-U", user or info.user]
    return clean(shlex.join([*parts, "-d", database or info.database]))


Way = Callable[[ConnInfo, Host], Iterable[tuple[str, str]]]


def _walsender(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    yield "in by the walsender door, if the role may replicate", command(info, host, "--door", "walsender")


def _host(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    if not is_local(host):
        yield "or on the database's host, as its OS user", f"{PROGRAM} --door host"
    elif os.geteuid() == 0:
        yield "in by the host door", command(info, host, "--door", "host")
    else:
        yield "in by the host door, as the server's OS user", f"sudo {command(info, host, '--door', 'host')}"


def _superuser(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    if info.user != "postgres":
        yield "as a superuser", command(info, host, user="postgres")


def _rds(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    yield "as a member of rds_superuser, such as the master user", command(info, host, user="MASTER_USER")


def _role(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    yield "as another role", command(info, host, user="OTHER_ROLE")


def _database(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    other = "postgres" if info.database != "postgres" else "template1"
    yield "through another database", command(info, host, database=other)


def _ordinary(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    yield "by an ordinary slot", command(info, host)


def _wait(info: ConnInfo, host: Host) -> Iterable[tuple[str, str]]:
    yield "or take the first slot that is freed", command(info, host, "--wait")


_WAYS: dict[str, Way] = {
    "walsender": _walsender,
    "host": _host,
    "superuser": _superuser,
    "rds": _rds,
    "role": _role,
    "database": _database,
    "ordinary": _ordinary,
    "wait": _wait,
}
