"""What `check` is asked for: its arguments, their help, and the Options they make. Light enough for --help."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgtop_conn.commands.common.values import seconds
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.text import clean
from pgtop_conn.model.thresholds import Range, parse_range
from pgtop_conn.view.export.check import METRICS, Thresholds, help_lines

#: What a plugin is given by those that run it.
TIMEOUT_S = 10.0
TIMEOUT_MOST_S = 3600.0
#: What a threshold without a name is for.
DEFAULT = "used_percent"


@dataclass(frozen=True, slots=True)
class Options:
    """`timeout_s` is None where none was typed."""

    thresholds: Thresholds
    timeout_s: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of check's own."""
    group = parser.add_argument_group("thresholds")
    for level, word in (("warning", "warn"), ("critical", "be critical")):
        group.add_argument(
            f"--{level}",
            dest=f"{level}_ranges",
            action="append",
            metavar="[NAME=]RANGE",
            help=f"{word} outside of RANGE; without a name of {DEFAULT}; may be given once for each name",
        )
    group.add_argument("--timeout", metavar="S", help="critical when there is no answer within S seconds (default 10)")


def notes() -> str:
    """What --help says at the end: names, ranges and exit codes."""
    names = "\n".join(help_lines())
    return f"""
names of thresholds, and of the performance data:
{names}
The performance data also has one 'role NAME' or 'database NAME' for each that has a CONNECTION LIMIT; with more than
20 of them, for those that are used to 80 % and more, 20 at most, and limits_left_out counts the others. A threshold on
all of them is one of limit_percent.

A RANGE is as the Monitoring Plugins write it: 10 is 0 to 10, 10: from 10 on, ~:10 up to 10, 10:20 both; @10:20 alerts
inside instead of outside. {DEFAULT} has 80 and 95 (the settings `warning` and `critical`), the others have none.
  pgtop-conn check --warning 80 --critical 95 --critical ordinary_free=5: --warning oldest_idle=3600

exit codes:
  0  OK        every threshold is kept
  1  WARNING   one is not
  2  CRITICAL  one is not, or nobody gets in: no slot is left (at a pooler either), no server, no answer in time
  3  UNKNOWN   bad input, a login that was refused to us alone, or a threshold on what the role can't see

It answers in one line, asks nothing, and takes one slot for a moment (--door walsender: none). --filter narrows
`matching` alone; one with leak: takes ten seconds of watching, which the default timeout allows for.
"""


def options_of(found: Mapping[str, Any], settings: Settings) -> Options:
    """The options. Raises BadInput."""
    if found.get("password"):
        raise BadInput("check asks for nothing, so there is no -W: use .pgpass or PGPASSWORD")
    warning = _ranges("warning", found.get("warning_ranges", ()), settings.warning)
    critical = _ranges("critical", found.get("critical_ranges", ()), settings.critical)
    for name in {*warning, *critical}:
        if name == "matching" and not settings.filter.strip():
            raise BadInput("a threshold of matching needs --filter")
    timeout_s = seconds(found["timeout"], "timeout", 0, TIMEOUT_MOST_S, above=True) if "timeout" in found else None
    return Options(Thresholds(warning, critical), timeout_s)


def _ranges(option: str, given: Sequence[str], percent: float) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for text in given:
        name, equals, wanted = text.rpartition("=")
        name = name.strip() if equals else DEFAULT
        if name not in METRICS:
            raise BadInput(f"--{option}: expected one of {', '.join(METRICS)}, not {clean(name)!r}")
        if name in ranges:
            raise BadInput(f"--{option}: {name} is given twice")
        try:
            ranges[name] = parse_range(wanted.strip())
        except BadInput as error:
            raise BadInput(f"--{option}: {error}") from None
    return {DEFAULT: parse_range(f"{percent:g}"), **ranges}


def watches(settings: Settings) -> bool:
    """Whether the filter needs more than one poll."""
    return parse(settings.filter).mentions("leak")
