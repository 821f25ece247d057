"""What pools and drivers send by themselves: such a last statement says nothing about the application's code.

Add one: a line in GIVEN_BACK or MADE_READY.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_letters

from pgtop_conn.model.lazy_regex import later

#: Regular expressions without case for the beginning of a statement, behind comments and white space.
#: The end of a transaction, and what is left of a session that was used and given back.
GIVEN_BACK = (
    r"(?:ROLLBACK|COMMIT|END|ABORT|RELEASE|DISCARD|RESET|DEALLOCATE|UNLISTEN|CLOSE)\b",
    r"SELECT\s+(?:pg_catalog\.)?pg_advisory_unlock_all\s*\(",
)
#: How a session is made ready, and how it is kept alive.
MADE_READY = (
    r"(?:BEGIN|START|SAVEPOINT|SET|SHOW)\b",
    r"SELECT\s+(?:pg_catalog\.)?(?:set_config|version|current_setting|pg_is_in_recovery|pg_backend_pid)\s*\("
    r"(?!.*\bFROM\b)",
    r"SELECT\s+current_(?:schema|database|user|catalog)\b(?!.*\bFROM\b)",
    # The types a driver reads: Npgsql, psycopg, asyncpg, Rails.
    r"(?:SELECT|WITH)\b.*\bpg_(?:catalog\.pg_)?(?:type|range)\b",
    # Whether it is still there: a constant, or nothing at all.
    r"(?:SELECT|VALUES)\s*\(?\s*(?:(?:[0-9]+|'[^']*'|NULL|TRUE|NOW\s*\(\s*\)|[0-9]\s*\+\s*[0-9])\s*\)?"
    r"(?:\s+(?:AS\s+)?\w+)?)?\s*(?:;|\Z)",
    r";|\Z",
)
_GIVEN_BACK = later("|".join(f"(?:{pattern})" for pattern in GIVEN_BACK), re.IGNORECASE)
_UPKEEP = later("|".join(f"(?:{pattern})" for pattern in (*GIVEN_BACK, *MADE_READY)), re.IGNORECASE | re.DOTALL)
_LISTENS = later(r"LISTEN\b", re.IGNORECASE)
_SPACE = later(r"(?:\s++|--[^\n]*+(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*+\*/)*+")


#: Every idle session is asked whether it listens; a text that begins with one of these does not, and is not kept.
_NEVER_LISTENS = frozenset(ascii_letters) - frozenset("lL")


@lru_cache(maxsize=4096)
def is_upkeep(query: str) -> bool:
    """Whether a pool or a driver sent it, and not the application's own code.

    >>> [is_upkeep(query) for query in ("ROLLBACK", "-- ping", "SELECT 1", "", "SELECT 1 FROM invoices")]
    [True, True, True, True, False]
    """
    return _UPKEEP.match(_beginning(query)) is not None


@lru_cache(maxsize=4096)
def gives_back(query: str) -> bool:
    """Whether it ends a use: the session did something before, and was given back or its transaction ended.

    >>> [gives_back(query) for query in ("ROLLBACK", "/* pool */ DISCARD ALL", "SELECT 1", "", "SET x = 1")]
    [True, True, False, False, False]
    """
    return _GIVEN_BACK.match(_beginning(query)) is not None


def listens(query: str) -> bool:
    """Whether the session waits for notifications: that it stays idle is what it is for.

    >>> [listens(query) for query in ("LISTEN jobs", "/* worker */ listen jobs", "SELECT 1", "")]
    [True, True, False, False]
    """
    return query[:1] not in _NEVER_LISTENS and _listens(query)


@lru_cache(maxsize=4096)
def _listens(query: str) -> bool:
    return _LISTENS.match(_beginning(query)) is not None


def _beginning(query: str) -> str:
    match = _SPACE.match(query)
    return query[match.end() if match else 0 :][:2000]
