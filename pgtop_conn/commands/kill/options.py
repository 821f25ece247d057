"""What `kill` is asked for: its arguments, their help, and the Options they make. Light enough for --help."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgtop_conn.commands.common.values import count, seconds
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.filters.language import HELP, Filter, parse
from pgtop_conn.model.signalling.verification import PATIENCE_S
from pgtop_conn.model.snapshot import BUSY_WITHIN_S
from pgtop_conn.model.source import Action
from pgtop_conn.model.text import clean

ESCALATE_MOST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """Which sessions, and what is to be done to them; `most` is --max."""

    wanted: Filter
    action: Action = Action.TERMINATE
    dry_run: bool = False
    most: int = 10
    keep_newest: int = 0
    reason: str = ""
    escalate_after_s: float | None = None
    as_json: bool = False
    patience_s: float = PATIENCE_S
    #: Sessions that work are bound to their role and application instead of their statement.
    busy: bool = False
    #: What would be asked about on the screen is not left out.
    include_cautioned: bool = False
    #: Signals a second; None is the usual pace.
    per_second: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILTER and the options of kill's own."""
    parser.add_argument("wanted", metavar="FILTER", help="only sessions that match all of it: 'app:web idle>10m'")
    group = parser.add_argument_group("what is done")
    group.add_argument("--cancel", action="store_true", help="cancel the running query instead of ending the session")
    group.add_argument("--escalate", metavar="S", help="cancel, wait S seconds, then terminate what holds its slot")
    group.add_argument("--dry-run", action="store_true", help="print the plan and send nothing")
    group.add_argument("--yes", action="store_true", help="carry the plan out; required without --dry-run")
    group.add_argument("--max", metavar="N", help="refuse a plan of more than N sessions (default 10)")
    group.add_argument("--keep-newest", metavar="K", help="leave alone those K of the matches that began last")
    group.add_argument(
        "--busy",
        action="store_true",
        help="terminate sessions in use whatever they run by then, if role and app are the same",
    )
    group.add_argument(
        "--include-cautioned",
        action="store_true",
        help="do not leave out dumps, DDL, written transactions, backups, LISTEN …",
    )
    group.add_argument("--reason", metavar="TEXT", help="why, for the journal")
    group.add_argument("--json", action="store_true", help="print the plan and what became of it as JSON")


def notes() -> str:
    """What --help says at the end: exit codes and the keys of the filter."""
    keys = "".join(f"  {key:<10} {text}\n" for key, text in HELP.items())
    return f"""
exit codes:
  0  every planned session ended as wanted, or nothing matched, or it was a dry run
  1  some did not: changed, denied, still there, unknown (another server answers now), or not sent; or a caution left
     some out
  2  refused (guards exclude every match, more than --max, neither --yes nor --dry-run), bad input, no connection

Ctrl-C stops between two signals; a second one also stops waiting for the ends of those that were signalled.

What the screen asks about is left out, counted and named, unless --include-cautioned is given: a running dump, COPY,
VACUUM or DDL, a transaction that has written, and a session that holds a backup, an advisory lock, a cursor, temporary
tables or a replication slot, or that listens. Sessions of which that can't be told are never ended by a filter.

A session is left alone once it runs another statement than the one that was chosen. An application whose statements are
too short for that is ended with --busy: sessions that work, or did so in the last {BUSY_WITHIN_S:.0f} s, are then bound
to when they began, their role and their application. One that begins to write meanwhile is still left alone.

A filter with leak: is answered after the server was watched for a few seconds; who leaks is judged then.

filter keys (terms are ANDed; `,` any of, `!` not, `:` equals, `*` wildcard, `~` regular expression, `>` `<` durations):
{keys}"""


def options_of(found: Mapping[str, Any], read_only: bool) -> Options:
    """The options, checked as far as that goes without a server. Raises BadInput or FilterError."""
    options = Options(
        wanted=_wanted(found["wanted"]),
        action=Action.CANCEL if found.get("cancel", False) else Action.TERMINATE,
        dry_run=found.get("dry_run", False),
        most=count(found.get("max", "10"), "max"),
        keep_newest=count(found.get("keep_newest", "0"), "keep-newest"),
        reason=clean(found.get("reason", "")),
        escalate_after_s=seconds(found["escalate"], "escalate", 0, ESCALATE_MOST_S) if "escalate" in found else None,
        as_json=found.get("json", False),
        busy=found.get("busy", False),
        include_cautioned=found.get("include_cautioned", False),
    )
    if options.busy and options.action is Action.CANCEL:
        raise BadInput("--busy is for sessions that are terminated: a cancel is for the statement that was chosen")
    if options.escalate_after_s is not None and options.action is Action.CANCEL:
        raise BadInput("--escalate begins with a cancel and ends in a terminate: leave --cancel out")
    if not options.dry_run and read_only:
        raise BadInput("refused in read-only mode: nothing is signalled (--dry-run prints the plan)")
    if not options.dry_run and not found.get("yes", False):
        raise BadInput("refused without --yes; --dry-run prints what it would do")
    return options


def _wanted(text: str) -> Filter:
    """The filter; what could match everybody by half of it is refused."""
    if "://" in text.partition(" ")[0]:
        # Not repeated in the message, since a password may be in it.
        raise BadInput("the filter comes first, then CONNINFO")
    wanted = parse(text)
    if not wanted.text.strip():
        raise BadInput("an empty filter matches everybody and is refused; see --help for its keys")
    return wanted
