"""Two revisions of the product side by side in one run: they take turns, and the table shows ratios.

Both are driven by their command lines alone, so that nothing of their insides has to agree. Add a figure: COMPARED.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.environment import BEFORE
from benchmarks.figures import Record
from benchmarks.harness.phases import startup, steady
from benchmarks.measuring import Session

#: The programs of a comparison: the revision that was asked for, and the one that is here.
THEN, NOW = "before", "now"
#: The product's name in the specs.
PRODUCT = "pgtop-conn"
SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure: its phase, its name there, and what it is called."""

    phase: str
    metric: str
    text: str


COMPARED = (
    Compared("startup", "data_s", "start to the first data"),
    Compared("steady", "cpu_ms", "CPU a refresh, groups closed"),
    Compared("open", "cpu_ms", "CPU a refresh, a group open"),
    Compared("steady", "rss_mb", "memory (RSS)"),
    Compared("steady", "server_ms", "the server's CPU a refresh"),
    Compared("steady", "bytes", "bytes to the terminal a refresh"),
    Compared("snapshot", "wall_ms", "`snapshot --json`"),
    Compared("help", "wall_ms", "`--help`"),
)


def compare(session: Session) -> None:
    """Measure both on 2,000 sessions; which is first changes from round to round."""
    programs = {THEN: session.programs[BEFORE], NOW: session.programs[PRODUCT]}
    server = ["-h", "127.0.0.1", "-p", str(session.made.cluster.port), "-U", "mon", "-d", "postgres"]
    effort = session.effort
    with session.made.load(SESSIONS):
        for number in range(max(effort.startups, effort.steady + effort.steady_more)):
            for name in (THEN, NOW) if number % 2 else (NOW, THEN):
                own = {PRODUCT: programs[name]}
                closed, opened = (replace(session.spec(spec, **own), name=name) for spec in ("closed", "open"))
                if number < effort.startups:
                    session.run("startup", startup, closed, SESSIONS)
                if number < effort.steady + effort.steady_more:
                    session.run("steady", steady, closed, SESSIONS)
                    session.run("open", steady, opened, SESSIONS)
        looks = {name: [program, "snapshot", "--json", *server] for name, program in programs.items()}
        session.time_in_turns("snapshot", looks, SESSIONS, effort.snapshots)
    helps = {name: [program, "--help"] for name, program in programs.items()}
    session.time_in_turns("help", helps, 0, effort.commands)


def ratio(records: Iterable[Record], phase: str, metric: str) -> tuple[float, float, int] | None:
    """The median of now's figures, its ratio to before's median, and the runs of each; None where not measured."""
    found: dict[str, list[float]] = {THEN: [], NOW: []}
    for one in records:
        if one.phase == phase and metric in one.numbers:
            found[one.program].append(one.numbers[metric])
    if not all(found.values()) or not median(found[THEN]):
        return None
    return median(found[NOW]), median(found[NOW]) / median(found[THEN]), min(map(len, found.values()))


def table(records: Sequence[Record]) -> list[str]:
    """The figures as Markdown; a ratio below 1 is faster or smaller than before."""
    rows = ["| figure | now | × before | runs of each |", "|---|---:|---:|---:|"]
    for one in COMPARED:
        found = ratio(records, one.phase, one.metric)
        if found is not None:
            value, times, runs = found
            rows.append(f"| {one.text} ({one.metric}) | {value:.4g} | {times:.3f} | {runs} |")
    return rows
