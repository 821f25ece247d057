"""What a session keeps beyond its statement, read from the text of its last one. Add a kind: a member of Hold.

The names of functions are looked for anywhere, in strings and quoted names too; where a text can be read in two ways,
the one that asks is taken. What an earlier statement left behind is not seen here: the server shows only the last text.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise

from pgtop_conn.model.lazy_regex import later
from pgtop_conn.model.signalling.busy_queries import statements


class Hold(StrEnum):
    """What is lost, or let go, when the session ends."""

    BACKUP = "an online backup would be aborted"
    LISTEN = "it listens for notifications"
    ADVISORY = "it holds an advisory lock"
    CURSOR = "it holds a cursor"
    SLOT = "it uses a replication slot"
    ORIGIN = "it replays for a replication origin"
    SNAPSHOT = "it has exported a snapshot"
    TEMPORARY = "its temporary tables would be lost"
    LOCK = "it has locked a table"


#: What a function leaves held, and what lets go of it when it comes later in the same text.
_KEPT = (
    (Hold.BACKUP, "pg_(?:backup_start|start_backup)", "pg_(?:backup_stop|stop_backup)"),
    (Hold.ADVISORY, "pg_(?:try_)?advisory_lock(?:_shared)?", "pg_advisory_unlock_all"),
    (Hold.SLOT, "pg_(?:create|copy)_(?:physical|logical)_replication_slot", "pg_drop_replication_slot"),
    (Hold.ORIGIN, "pg_replication_origin_session_setup", "pg_replication_origin_session_reset"),
)
#: The same for what ends with the transaction, and which nothing lets go of before.
_KEPT_IN_TRANSACTION = (
    (Hold.ADVISORY, "pg_(?:try_)?advisory_xact_lock(?:_shared)?", "(?!)"),
    (Hold.SNAPSHOT, "pg_export_snapshot", "(?!)"),
)
_MAYBE = later(
    r"\b(?:(?:UN)?LISTEN|HOLD|FETCH|MOVE|TEMP|TEMPORARY|pg_temp(?:_\d+)?|LOCK|"
    r"pg_(?:backup_|start_backup|try_advisory|advisory|create_|copy_|replication_origin|export_)\w+|pg_start_backup)\b",
    re.IGNORECASE,
)
_TEMP = frozenset({"TEMP", "TEMPORARY"})
_OWN_SCHEMA = re.compile(r"PG_TEMP(?:_\d+)?")


def holds(query: str, *, in_transaction: bool) -> frozenset[Hold]:
    """What a session may hold whose last statement this was, in a transaction that is still open or outside of one.

    >>> sorted(holds("LISTEN jobs; DECLARE c CURSOR WITH HOLD FOR TABLE t", in_transaction=False))
    [<Hold.CURSOR: 'it holds a cursor'>, <Hold.LISTEN: 'it listens for notifications'>]
    """
    if not _MAYBE.search(query):
        return frozenset()
    functions = (*_KEPT, *_KEPT_IN_TRANSACTION) if in_transaction else _KEPT
    found = list(statements(query))
    told = [word for words in found for word in words]
    kept = {hold for hold, keeps, releases in functions if _keeps(keeps, releases, query, told)}
    stars = len(re.findall(r"\bUNLISTEN\s*\*", query, re.IGNORECASE))
    for words in found:
        # What is not a word, such as the star for all channels, is not among them.
        if words == ["UNLISTEN"] and stars:
            kept.discard(Hold.LISTEN)
        else:
            kept |= _kept_by(words, in_transaction)
    return frozenset(kept)


def _keeps(keeps: str, releases: str, query: str, told: list[str]) -> bool:
    """Whether one is called and not let go of, which counts only where every call stands outside strings."""
    keep, release = (re.compile(pattern, re.IGNORECASE) for pattern in (keeps, releases))
    calls = [at for at, word in enumerate(told) if keep.fullmatch(word)]
    called = len(re.findall(rf"\b{keeps}(?!\w)", query, re.IGNORECASE))
    if not called or called != len(calls):
        return called > 0
    return not any(release.fullmatch(word) for word in told[calls[-1] :])


def _kept_by(words: list[str], in_transaction: bool) -> set[Hold]:
    """What one statement leaves behind."""
    first, rest = words[0], words[1:]
    kept = set()
    if first in ("LISTEN", "UNLISTEN"):
        kept.add(Hold.LISTEN)
    held = first == "DECLARE" and ("WITH", "HOLD") in pairwise(rest)
    # A cursor that is read outside a transaction has outlived one.
    if held or (first in ("FETCH", "MOVE") and not in_transaction):
        kept.add(Hold.CURSOR)
    makes = first in ("CREATE", "SELECT", "WITH") and not _TEMP.isdisjoint(rest)
    dropped = ("COMMIT", "DROP") in pairwise(rest) and not in_transaction
    if (makes or any(map(_OWN_SCHEMA.fullmatch, rest))) and not dropped:
        kept.add(Hold.TEMPORARY)
    if first == "LOCK" and in_transaction:
        kept.add(Hold.LOCK)
    return kept
