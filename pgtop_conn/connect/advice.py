"""Refused for want of a slot: the ways in that are left, each with the command to type. Add a way: an entry in WAYS.

A command is what was typed, with an option more: whatever it took to come here, it takes again. It never holds a
password, and what a password stood in is written anew without it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgtop_conn.model.errors import BadInput, SlotsExhausted
from pgtop_conn.model.text import clean
from pgtop_conn.program import PROGRAM

if TYPE_CHECKING:
    from pgtop_conn.postgres.conninfo.conninfo import ConnInfo

_SECRETS = frozenset({"password", "sslpassword", "scram_client_key", "scram_server_key"})
#: What may stand before a conninfo in one word.
_BEFORE = re.compile(r"(--dbname=|-[wW]*d)?(.+)", re.DOTALL)
#: What a database or a conninfo follows in the next word.
_DATABASE_FOLLOWS = re.compile(r"--dbname|-([wW]*)d")
#: psql's letters for what may be another one.
_LETTERS = (("user", "-U"), ("dbname", "-d"), ("host", "-h"), ("port", "-p"))
#: What a shell takes as it is, in a value of a conninfo too.
_PLAIN = re.compile(r"[\w./:,@%+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """What the ways look at. `at_hand`: the host door would open."""

    error: SlotsExhausted
    info: ConnInfo
    typed: Sequence[str]
    at_hand: bool
    #: Whether the server may be on this machine, as far as the address tells.
    nearby: bool


#: Why this way, and its command.
Way = Callable[[RefusedLogin], Iterator[tuple[str, str]]]


def advice(refused: RefusedLogin) -> tuple[str, ...]:
    """A line for each way that is open for this refusal, best first."""
    ways = WAYS.get(refused.error.kind, WAYS["unknown"])
    return tuple(clean(f"{why}: {command}") for way in ways for why, command in way(refused))


def _walsender(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    yield "in by the walsender door, if the role may replicate", again(refused.typed, "--door", "walsender")


def _host(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    error = refused.error
    if refused.at_hand:
        yield "in by the host door", host_command(refused.typed, error.host, error.port, sudo=False)
    elif refused.nearby and os.geteuid() != 0:
        command = host_command(refused.typed, error.host, error.port, sudo=True)
        yield "in by the host door, as the server's OS user or root", command
    elif not refused.nearby:
        yield "or on the database's host, as its OS user or root", f"{PROGRAM} --door host -p {error.port}"


def _superuser(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    if refused.info.user != "postgres":
        command = again(refused.typed, user="postgres", database=refused.info.database)
        yield "as a superuser, which postgres is on most servers", command


def _rds(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    command = again(refused.typed, user="MASTER_USER", database=refused.info.database)
    yield "as a member of rds_superuser, such as the master user", command


def _role(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    yield "as another role", again(refused.typed, user="OTHER_ROLE", database=refused.info.database)


def _database(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    other = "postgres" if refused.info.database != "postgres" else "template1"
    yield "through another database", again(refused.typed, database=other)


def _ordinary(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    typed = [word for word in refused.typed if not word.startswith("--door=")]
    while "--door" in typed:
        at = typed.index("--door")
        typed[at : at + 2] = []
    yield "by an ordinary slot", again(typed)


def _past(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    yield "past the pooler, straight to its server", again(refused.typed, host="SERVER", port="5432")


def _wait(refused: RefusedLogin) -> Iterator[tuple[str, str]]:
    yield "or take the first slot that is freed", again(refused.typed, "--wait")


#: By the limit that refused (postgres/connection/slot_refusals.py).
WAYS: dict[str, tuple[Way, ...]] = {
    "full": (_walsender, _host, _wait),
    "newcomers": (_host, _wait),
    "reserved_connections": (_superuser, _walsender, _host, _wait),
    "superuser_reserved": (_superuser, _walsender, _host, _wait),
    "provider": (_rds, _walsender, _wait),
    "role": (_role, _walsender, _host, _wait),
    "database": (_database, _walsender, _host, _wait),
    "max_wal_senders": (_ordinary, _host, _wait),
    "pooler": (_past, _wait),
    "unknown": (_superuser, _walsender, _host, _wait),
}


def again(typed: Sequence[str], *extra: str, user: str = "", database: str = "", host: str = "", port: str = "") -> str:
    """The command line that was typed, with `extra` options, as another role, to another database or another server.

    >>> again(["-w", "postgres://web:secret@db/shop?sslmode=require"], "--wait").partition(" -w ")[2]
    "'user=web host=db dbname=shop sslmode=require' --wait"
    """
    named = {"user": user, "dbname": database, "host": host, "port": port}
    wanted = {name: value for name, value in named.items() if value}
    words: list[str] = []
    left = dict(wanted)
    for word in typed:
        found = _conninfo(word)
        if found is None:
            words.append(word)
            continue
        before, given = found
        by_option = before or (words and _DATABASE_FOLLOWS.fullmatch(words[-1]))
        # psql takes what stands in a conninfo over its options; a second -d would replace the first.
        changed = {name: value for name, value in wanted.items() if name in given or (name == "dbname" and by_option)}
        left = {name: value for name, value in left.items() if name not in changed}
        kept = {name: value for name, value in given.items() if name not in _SECRETS}
        same = kept == given and not any(given.get(name) != value for name, value in changed.items())
        words.append(word if same else before + _written(kept | changed))
    options = list(extra)
    for name, letter in _LETTERS:
        options += (letter, left[name]) if name in left else ()
    end = words.index("--") if "--" in words else len(words)
    return shlex.join([*_program(absolute=False), *words[:end], *options, *words[end:]])


def host_command(typed: Sequence[str], host: str, port: int, *, sudo: bool) -> str:
    """The host door to this very server. Who connects, and how, means nothing there, and sudo keeps no environment."""
    words: list[str] = []
    for word in typed:
        if _conninfo(word) is None and word not in ("-W", "--password"):
            words.append(word)
        elif words and _DATABASE_FOLLOWS.fullmatch(words[-1]):
            words.pop()
    where = ("--door", "host", "-h", host, "-p", str(port))
    end = words.index("--") if "--" in words else len(words)
    return shlex.join([*(("sudo",) if sudo else ()), *_program(absolute=sudo), *words[:end], *where, *words[end:]])


def _conninfo(word: str) -> tuple[str, dict[str, str]] | None:
    """What is before a conninfo, and what it gives, by keyword; None for another word."""
    from pgtop_conn.postgres.conninfo.other_drivers import in_our_words
    from pgtop_conn.postgres.conninfo.parse import parse

    match = _BEFORE.fullmatch(word)
    if match is None or not ("=" in match[2] or "://" in match[2]):
        return None
    try:
        given, _ = in_our_words(*parse(match[2]))
    except BadInput:
        # As --for=0 or a filter: nothing that we connected with.
        return None
    return match[1] or "", given


def _written(given: dict[str, str]) -> str:
    """A conninfo of key=value pairs."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in given.items())


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _program(*, absolute: bool) -> tuple[str, ...]:
    """How we were started; sudo has a PATH of its own."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return (sys.executable, "-m", "pgtop_conn")
    if not absolute:
        return (PROGRAM,)
    return (shutil.which(PROGRAM) or str(started.resolve()),)
