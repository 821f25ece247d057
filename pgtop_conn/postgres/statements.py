"""Every statement by the name of its file in sql/, and the one place that knows which server has which column.

Whoever owns a database decides its search_path, and what is found along it runs with our rights. So every function,
relation, type and operator in sql/ is written with its schema, pg_catalog; tests/postgres/test_sql.py sees to it.
Arrays go in and out as text[]: for any other the driver asks the server first, in statements of its own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType

from pgtop_conn.model.source import Action

#: Column of a statement: the first version that has it, and what stands in for it before.
_SINCE = MappingProxyType(
    {
        "a.leader_pid": (130000, "NULL::pg_catalog.int4 AS leader_pid"),
        "a.query_id": (140000, "NULL::pg_catalog.int8 AS query_id"),
        "pg_catalog.sum(d.sessions)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_abandoned)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_fatal)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_killed)": (140000, "NULL"),
    }
)

#: What each action calls; sql/signal.sql holds the one of a terminate.
_SIGNALS = MappingProxyType({Action.TERMINATE: "pg_terminate_backend", Action.CANCEL: "pg_cancel_backend"})

#: Backend ids are process numbers from here on, so that the slots in use can be counted without seeing the rows.
EXACT_COUNT_SINCE = 170000
#: transaction_timeout exists from here on.
TRANSACTION_TIMEOUT_SINCE = 170000
#: Sessions that still authenticate have rows of their own from here on.
STARTING_ROWS_SINCE = 180000


@cache
def statement(name: str) -> str:
    """The text of sql/<name>.sql without its comments, which need not travel to the server and into its logs."""
    # importlib.resources would load zipfile for this.
    text = Path(__file__).with_name("sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@cache
def versioned(name: str, version_num: int) -> str:
    """statement(name) for this server: columns it does not have yet are NULL."""
    text = statement(name)
    for column, (since, substitute) in _SINCE.items():
        if version_num < since:
            text = text.replace(column, substitute)
    return text


@cache
def signalling(action: Action) -> str:
    """The statement that signals, with the function of this action."""
    return statement("signal").replace(_SIGNALS[Action.TERMINATE], _SIGNALS[action])
