"""What pools and drivers send by themselves: such a last statement says nothing about the application's code.

Add one: a line in UPKEEP.
"""

from __future__ import annotations

import re
from functools import lru_cache

from pgtop_conn.model.patterns import later

#: Regular expressions without case for the beginning of a statement, behind comments and white space.
UPKEEP = (
    # The end of a transaction, and what is left of a session when it is given back.
    r"(?:ROLLBACK|COMMIT|END|ABORT|BEGIN|START|RELEASE|SAVEPOINT|DISCARD|RESET|DEALLOCATE|UNLISTEN|CLOSE)\b",
    r"SELECT\s+pg_advisory_unlock_all\s*\(",
    # How a session is made ready.
    r"(?:SET|SHOW)\b",
    r"SELECT\s+(?:pg_catalog\.)?(?:set_config|version|current_setting|pg_is_in_recovery|pg_backend_pid)\s*\(",
    r"SELECT\s+current_(?:schema|database|user|catalog)\b",
    # The types a driver reads: Npgsql, psycopg, asyncpg, Rails.
    r"(?:SELECT|WITH)\b.*\bpg_(?:catalog\.pg_)?(?:type|range)\b",
    # Whether it is still there: a constant, or nothing at all.
    r"(?:SELECT|VALUES)\s*\(?\s*(?:(?:[0-9]+|'[^']*'|NULL|TRUE|NOW\s*\(\s*\)|[0-9]\s*\+\s*[0-9])\s*\)?"
    r"(?:\s+(?:AS\s+)?\w+)?)?\s*(?:;|\Z)",
    r";|\Z",
)
_UPKEEP = later("|".join(f"(?:{pattern})" for pattern in UPKEEP), re.IGNORECASE | re.DOTALL)
_LISTENS = later(r"LISTEN\b", re.IGNORECASE)
_SPACE = later(r"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*+\*/)*+")


@lru_cache(maxsize=4096)
def is_upkeep(query: str) -> bool:
    """Whether a pool or a driver sent it, and not the application's own code.

    >>> [is_upkeep(query) for query in ("ROLLBACK", "-- ping", "SELECT 1", "", "SELECT 1 FROM invoices")]
    [True, True, True, True, False]
    """
    return _UPKEEP.match(_beginning(query)) is not None


@lru_cache(maxsize=4096)
def listens(query: str) -> bool:
    """Whether the session waits for notifications: that it stays idle is what it is for."""
    return _LISTENS.match(_beginning(query)) is not None


def _beginning(query: str) -> str:
    match = _SPACE.match(query)
    return query[match.end() if match else 0 :][:2000]
