"""RESULTS.md as a whole: the machine and the versions, the tables, and the notes that are written by hand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import Figures
from benchmarks.goals import judge_all
from benchmarks.tables import (
    CARRIED,
    curves,
    goals_table,
    hold_table,
    idle_table,
    keys_table,
    memory_table,
    programs_table,
    summary,
)

READING = """\
Each figure is the median of its runs with [least-most]; the programs of one measurement took turns. A goal is judged by
the ratio of the medians; the spread of a ratio is that of runs which followed one another. CPU is what the scheduler
accounts to the processes of a program, and of its sessions on the server with the postmaster's forks. `×` is the ratio
to pg_activity's figure. Terminal 120×40, refresh every 2 s (5 s while keys are measured)."""
CARRIED_OVER = f"""\
{CARRIED} pgcenter is not on PATH here: the figure is pg_activity's of this run times the ratio that the two had
in one run on another machine."""


def results(
    figures: Figures, about: Mapping[str, str], troubles: Sequence[str], notes: str, title: str = "Results"
) -> str:
    """The document; `about` says where, when and with what it was measured, `notes` end it."""
    judged = judge_all(figures)
    side_by_side = programs_table(figures)
    carried = any(CARRIED in line for line in side_by_side)
    least, most = figures.load_averages()
    facts = {**about, "load average during the runs": f"{least:.2f} to {most:.2f}"}
    parts = [
        [f"# {title}", "", "Written by `benchmarks/run.py`. " + READING],
        [f"- {name}: {value}" for name, value in facts.items()],
        [f"- passed over: {trouble}" for trouble in dict.fromkeys(troubles)],
        [f"## Goals: {summary(judged)}", "", *goals_table(judged)],
        _section("Side by side, 2,000 sessions", side_by_side, [CARRIED_OVER] if carried else []),
        _section("An idle server, five sessions", idle_table(figures)),
        _section("From a key to the last byte of its answer", keys_table(figures)),
        _section("An arrow held down at 30 Hz", hold_table(figures)),
        _section("Memory over many refreshes", memory_table(figures)),
        _section("As sessions grow", curves(figures)),
        [notes.strip()],
    ]
    return "\n\n".join(text for part in parts if (text := "\n".join(part).strip())) + "\n"


def _section(title: str, lines: Sequence[str], remarks: Sequence[str] = ()) -> list[str]:
    """Nothing where nothing was measured."""
    return [f"## {title}", "", *lines, *(["", *remarks] if remarks else [])] if lines else []
