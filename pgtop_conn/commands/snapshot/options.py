"""What `snapshot` is asked for: its arguments, their help, and the Options they make. Light enough for --help."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgtop_conn.commands.common.values import count, seconds
from pgtop_conn.config import INTERVAL_MAX_S, INTERVAL_MIN_S
from pgtop_conn.model.errors import BadInput


@dataclass(frozen=True, slots=True)
class Options:
    """`form` is table, json or csv; `every_s` is None for one poll, `count` None for polls without an end."""

    form: str = "table"
    every_s: float | None = None
    count: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of snapshot's own."""
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="the whole snapshot as JSON")
    form.add_argument("--csv", dest="form", action="store_const", const="csv", help="one row a session")
    group.add_argument("--watch", metavar="N", help="a JSON line every N seconds, 0.25 to 60, until Ctrl-C (or --csv)")
    group.add_argument("--count", metavar="N", help="with --watch: end after N looks")


def notes() -> str:
    """What --help says at the end."""
    return """
--watch prints one line of JSON a look, or with --csv rows whose first column is taken_at; it goes on through restarts,
telling of them on stderr, and ends with exit code 0 on Ctrl-C, SIGTERM, or when the reader of the pipe is gone.

--json: taken_at, server, slots, limits, rooms, states, trend, groups, backends. --csv: a header and the fields of
backends. Times are ISO 8601 in UTC, durations seconds, null (or an empty field) is unknown; new keys may be added.

exit codes:
  0  the look was taken
  2  bad input, no connection
"""


def options_of(found: Mapping[str, Any]) -> Options:
    """The options. Raises BadInput."""
    form = found.get("form", "table")
    if "watch" not in found:
        if "count" in found:
            raise BadInput("--count needs --watch")
        return Options(form)
    most = count(found["count"], "count") if "count" in found else None
    if most == 0:
        raise BadInput("--count: expected at least 1")
    return Options(
        "csv" if form == "csv" else "json", seconds(found["watch"], "watch", INTERVAL_MIN_S, INTERVAL_MAX_S), most
    )
