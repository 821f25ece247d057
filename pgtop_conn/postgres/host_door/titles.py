"""Process titles of a server's processes, which tell who is connected when no session can be had.

    postgres: [<cluster_name>: ]<role> <database> <host>(<port>)|[local] <activity>
    postgres: [<cluster_name>: ]walsender <role> [<database> ]<host>(<port>)|[local] …

Names may hold blanks, and anything a title holds: read from the right, where the server itself wrote the activity. The
border of two names that hold blanks can't be told, and such a title says so. What fits no form is no client.
Source: init_ps_display() and set_ps_display() in src/backend/utils/misc/ps_status.c, and their callers; read on 13-18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgtop_conn.model.snapshot import (
    ABORTED,
    ACTIVE,
    CLIENT_BACKEND,
    FASTPATH,
    IDLE,
    IN_TRANSACTION,
    STARTING,
    WALSENDER,
)

PREFIX = "postgres: "

#: How the title of each kind of process that serves no client begins, and what pg_stat_activity calls it.
_BACKGROUND = {
    "checkpointer": "checkpointer",
    "background writer": "background writer",
    "walwriter": "walwriter",
    "wal writer": "walwriter",
    "autovacuum launcher": "autovacuum launcher",
    "autovacuum worker": "autovacuum worker",
    "stats collector": "stats collector",
    "logical replication launcher": "logical replication launcher",
    "logical replication": "logical replication worker",
    "parallel worker for PID": "parallel worker",
    "archiver": "archiver",
    "logger": "logger",
    "startup": "startup",
    "walreceiver": "walreceiver",
    "walsummarizer": "walsummarizer",
    "slotsync worker": "slotsync worker",
    "io worker": "io worker",
    "bgworker": "background worker",
    "dead-end client backend": "dead-end client backend",
}
#: Every server has one, with nothing behind its name: what is before it is the cluster's name.
_ALWAYS_THERE = "checkpointer"

_CLIENT = re.compile(r"(?:(?P<host>\S+)\((?P<port>[0-9]{1,5})\)|\[local\])")
#: What the server writes there: one of these, or the tag of a command.
_STATES = {
    "idle": IDLE,
    "idle in transaction": IN_TRANSACTION,
    "idle in transaction (aborted)": ABORTED,
    "authentication": STARTING,
    "startup": STARTING,
    "initializing": STARTING,
    "<FASTPATH> function call": FASTPATH,
}
_TAG = re.compile(r"[A-Z][A-Z ]{0,60}")
#: For a lock; or, with a place in the log, for a synchronous standby.
_WAITING = re.compile(r" waiting(?P<standby> for [0-9A-F]{1,8}/[0-9A-F]{1,8})?$")


@dataclass(frozen=True, slots=True)
class Title:
    """What one title says. `kind` is a backend_type; None where the form is not known.

    `names` are the ways to split the words in front of the address into role and database: one, unless they hold
    blanks. `client` is an address, "local", or "".
    """

    kind: str | None
    names: tuple[tuple[str, str], ...] = ()
    client: str = ""
    port: int | None = None
    state: str | None = None
    #: The command's tag while it runs.
    tag: str = ""
    waiting: bool = False

    @property
    def ambiguous(self) -> bool:
        """Whether role and database can't be told apart."""
        return len(self.names) != 1

    @property
    def words(self) -> str:
        """Role and database as they stand there, for showing."""
        return " ".join(self.names[0]).strip() if self.names else ""


def cluster_prefix(titles: list[str]) -> str:
    """What stands before every title of this server: "postgres: " and the cluster's name, where it has one."""
    for title in titles:
        text = title.rstrip()
        if text.startswith(PREFIX) and text.endswith(f" {_ALWAYS_THERE}"):
            name = text[len(PREFIX) : -len(_ALWAYS_THERE)]
            if not name or name.endswith(": "):
                return PREFIX + name
    return PREFIX


def parse(title: str, prefix: str = PREFIX) -> Title:
    """Read one title; `prefix` is cluster_prefix() of all of them.

    >>> parse("postgres: web shop 10.0.0.7(5123) UPDATE waiting").names
    (('web', 'shop'),)
    """
    if not title.startswith(prefix):
        return Title(None)
    text = title[len(prefix) :].rstrip()
    walsender = text.startswith("walsender ")
    if walsender:
        text = text.removeprefix("walsender ")
    found = _address(text, anything=walsender)
    if found is None:
        # Only without a client's address: a role may be called archiver, too.
        kinds = (kind for word, kind in _BACKGROUND.items() if text == word or text.startswith(f"{word} "))
        return Title(next(kinds, None))
    address, activity = found
    waits = _WAITING.search(activity)
    waiting = waits is not None and not waits["standby"]
    activity = _WAITING.sub("", activity)
    words = text[: address.start()].removesuffix(" ").split(" ")
    splits = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return Title(
        kind=WALSENDER if walsender else CLIENT_BACKEND,
        # Only a walsender may be without a database.
        names=tuple(splits) or (((words[0], ""),) if walsender else ()),
        client=address["host"] or "local",
        port=int(address["port"]) if address["port"] else None,
        state=_STATES.get(activity, ACTIVE if activity else None),
        tag="" if activity in _STATES else activity,
        waiting=waiting,
    )


def may_be_client(title: str) -> bool:
    """Whether there is an address in it, whatever follows: only a client's title has one."""
    return _address(title, anything=True) is not None


def _address(text: str, *, anything: bool) -> tuple[re.Match[str], str] | None:
    """The last address that is followed by what a server writes there, and that; a walsender's may be anything."""
    for match in reversed(list(_CLIENT.finditer(text))):
        if match.start() and text[match.start() - 1] != " ":
            continue
        activity = text[match.end() :].strip()
        plain = _WAITING.sub("", activity)
        if anything or not activity or plain in _STATES or _TAG.fullmatch(plain):
            return match, activity
    return None
