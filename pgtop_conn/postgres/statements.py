"""Every statement by the name of its file in sql/, and the one place that knows which server has which column."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

#: Column of activity.sql: the first version that has it, and what stands in for it before.
_SINCE = MappingProxyType({"a.leader_pid": (130000, "NULL::int4"), "a.query_id": (140000, "NULL::int8")})

#: Backend ids are process numbers from here on, so that the slots in use can be counted without seeing the rows.
EXACT_COUNT_SINCE = 170000
#: Sessions that still authenticate have rows of their own from here on.
STARTING_ROWS_SINCE = 180000


@cache
def statement(name: str) -> str:
    """The text of sql/<name>.sql without its comments, which need not travel to the server and into its logs."""
    text = (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@cache
def activity(version_num: int) -> str:
    """activity.sql for this server; 12 lacks leader_pid, 13 and older lack query_id."""
    text = statement("activity")
    for column, (since, substitute) in _SINCE.items():
        if version_num < since:
            text = text.replace(f"{column},", f"{substitute} AS {column.removeprefix('a.')},")
    return text
