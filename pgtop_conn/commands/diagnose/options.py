"""What `diagnose` is asked for: its arguments, their help, and the Options they make. Light enough for --help."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgtop_conn.commands.common.values import memory, seconds

WATCH_MOST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """`form` is text, json or markdown; `ram` is bytes. `seconds` None: until no verdict is open."""

    form: str = "text"
    seconds: float | None = None
    #: A recording of the same server, whose polls are taken in first.
    recording: Path | None = None
    ram: int | None = None
    redact: bool = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of diagnose's own."""
    group = parser.add_argument_group("output")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="findings and sizing as JSON")
    form.add_argument(
        "--markdown", dest="form", action="store_const", const="markdown", help="the incident report as Markdown"
    )
    group.add_argument(
        "--redact",
        action=argparse.BooleanOptionalAction,
        help="mask the literals of statements in the report (the default)",
    )
    group.add_argument(
        "--for",
        dest="seconds",
        metavar="S",
        help="watch for S seconds; 0 is one poll (default: 10 to 60, until no verdict is open)",
    )
    group.add_argument("--recording", metavar="FILE", help="use the recorded polls of this server instead of waiting")
    group.add_argument("--ram", metavar="SIZE", help="memory of the database's host, like 64GB, where it can't be read")


def options_of(found: Mapping[str, Any]) -> Options:
    """The options. Raises BadInput."""
    return Options(
        form=found.get("form", "text"),
        seconds=seconds(found["seconds"], "for", 0, WATCH_MOST_S) if "seconds" in found else None,
        recording=Path(found["recording"]) if "recording" in found else None,
        ram=memory(found["ram"], "ram") if "ram" in found else None,
        redact=found.get("redact", True),
    )


def notes() -> str:
    """What --help says at the end: exit codes and the keys of the JSON."""
    return """
exit codes:
  0  the diagnosis was made, with findings or without
  2  bad input, no connection

--json: taken_at; findings (cause, severity, summary, evidence, sessions, remedies), most important first, [] when
nothing is wrong; sizing (remedies); refused (source, unknown, by_hour, since_reset); leaks (app, role, database, score,
sentence, evidence, sessions); unknown (sentences). A remedy has kind (sql, pgbouncer, driver, step), text, takes_effect
(now, reload, restart, new sessions) and why. Times are ISO 8601 in UTC, durations seconds, null is unknown.
"""
