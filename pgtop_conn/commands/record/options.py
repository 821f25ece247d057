"""What record is asked to do, and its help: the file, how long, what is masked, when the file is rotated.

Sizes are written as in PostgreSQL's settings (512kB, 100MB, 2GB), durations as in a filter (90s, 10m, 2h, 3d).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgtop_conn.commands.common.values import count, duration, file_size
from pgtop_conn.folders import typed_path
from pgtop_conn.model.errors import BadInput
from pgtop_conn.recording.rotation import NEVER, Rotation

#: Below these a file would rotate at nearly every poll.
LEAST_SIZE = 64 * 2**10
LEAST_AGE_S = 10.0
KEEP = 7
KEEP_MOST = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What to record to, and how. `duration_s` None is until somebody ends it."""

    path: Path
    duration_s: float | None = None
    redact: bool = False
    rotation: Rotation = NEVER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FILE and the options of record's own."""
    parser.add_argument("file", metavar="FILE", help="the recording; one that is there is gone on with")
    group = parser.add_argument_group("recording")
    group.add_argument("--duration", metavar="D", help="end after so long: 90s, 10m, 2h, 3d")
    group.add_argument("--redact", action="store_true", help="mask the literals in query texts")
    group.add_argument("--rotate-size", metavar="SIZE", help="begin a new file from so many bytes on: 100MB, 2GB")
    group.add_argument("--rotate-age", metavar="D", help="begin a new file after so long: 1h, 1d")
    group.add_argument("--keep", metavar="N", help=f"older files to keep, FILE.1 the newest (default {KEEP})")


def notes() -> str:
    """What --help says at the end."""
    return """
FILE is readable by its owner alone. Each poll is written at once: what ends this program loses none of them. It goes on
through restarts and failovers of the server, and where the disk is full as soon as there is space; both are told on
stderr. Statements that may hold a password are masked always. Every session is recorded: --filter is for looking.

exit codes:
  0  ended by --duration, Ctrl-C or SIGTERM
  1  ended so, and some polls could not be written
  2  bad input, no connection, FILE is no recording, or is being recorded to
"""


def options_of(found: Mapping[str, Any]) -> Options:
    """What was asked for. Raises BadInput."""
    name = found["file"]
    if "://" in name:
        # Not repeated in the message, since a password may be in it.
        raise BadInput("FILE comes first, then CONNINFO")
    size = file_size(found["rotate_size"], "rotate-size", LEAST_SIZE) if "rotate_size" in found else None
    age_s = duration(found["rotate_age"], "rotate-age", LEAST_AGE_S) if "rotate_age" in found else None
    keep = count(found.get("keep", str(KEEP)), "keep")
    if "keep" in found and size is None and age_s is None:
        raise BadInput("--keep needs --rotate-size or --rotate-age")
    if keep > KEEP_MOST:
        raise BadInput(f"--keep: expected at most {KEEP_MOST}, not {keep}")
    return Options(
        typed_path(name),
        duration(found["duration"], "duration", 0.001) if "duration" in found else None,
        found.get("redact", False),
        Rotation(size, age_s, keep),
    )
