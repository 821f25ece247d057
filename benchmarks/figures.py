"""Figures: what was measured, run by run, and what is worked out from it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

#: Programs, by the names of their specs.
OURS, OURS_OPEN, OURS_SYNTHETIC = "pgtop-conn", "pgtop-conn, group open", "pgtop-conn, synthetic"
OURS_MEMORY, OURS_MEMORY_REAL = "pgtop-conn, memory", "pgtop-conn, memory, real sessions"
PG_ACTIVITY, PG_ACTIVITY_REMOTE = "pg_activity", "pg_activity, remote"
PG_TOP, PGCENTER, PGCENTER_IDLE, PSQL = "pg_top", "pgcenter", "pgcenter, idle shown", "psql"
#: Commands that are timed as a whole.
HELP, VERSION, PYTHON = "pgtop-conn --help", "pgtop-conn --version", "python -c pass"
SNAPSHOT, PSQL_ALL = "pgtop-conn snapshot --json", "psql, every row"

#: Where pgcenter is not at hand: what it measured beside pg_activity on another day, on 2,000 sessions.
PGCENTER_OF_PG_ACTIVITY = {
    (PGCENTER, "startup", "data_s"): 0.26 / 0.49,
    (PGCENTER, "steady", "cpu_ms"): 36 / 103,
    (PGCENTER, "steady", "bytes"): 2400 / 8100,
    (PGCENTER, "steady", "server_ms"): 38 / 32,
    (PGCENTER, "steady", "rss_mb"): 19 / 47,
    (PGCENTER_IDLE, "steady", "cpu_ms"): 143 / 103,
    (PGCENTER_IDLE, "steady", "bytes"): 220 / 8100,
    (PGCENTER_IDLE, "steady", "server_ms"): 54 / 32,
    (PGCENTER_IDLE, "steady", "rss_mb"): 50 / 47,
}
PGCENTER_SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one program in one phase, on so many sessions."""

    program: str
    phase: str
    sessions: int
    numbers: dict[str, float]
    #: The machine's load average when it began.
    load_average: float = 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """Which number: of what program, in what phase, on how many sessions."""

    program: str
    phase: str
    metric: str
    sessions: int = 2000


@dataclass(frozen=True, slots=True)
class Figures:
    """All records of a run."""

    records: Sequence[Record]

    def values(self, figure: Figure) -> list[float]:
        """The number of each run, in order; empty where it was not measured."""
        return self.measured(figure) or self._carried_over(figure)

    def measured(self, figure: Figure) -> list[float]:
        """As values(), but only what this run itself measured."""
        wanted = (figure.program, figure.phase, figure.sessions)
        found = (one for one in self.records if (one.program, one.phase, one.sessions) == wanted)
        return [one.numbers[figure.metric] for one in found if figure.metric in one.numbers]

    def _carried_over(self, figure: Figure) -> list[float]:
        ratio = PGCENTER_OF_PG_ACTIVITY.get((figure.program, figure.phase, figure.metric))
        if ratio is None or figure.sessions != PGCENTER_SESSIONS:
            return []
        return [ratio * value for value in self.measured(Figure(PG_ACTIVITY, figure.phase, figure.metric))]

    def median(self, figure: Figure) -> float | None:
        """The median of the runs."""
        values = self.values(figure)
        return median(values) if values else None

    def sessions(self) -> list[int]:
        """How many sessions real programs were measured on in the steady phase."""
        return sorted({one.sessions for one in self.records if one.phase == "steady"})

    def load_averages(self) -> tuple[float, float]:
        """The least and the most at the beginning of any run."""
        seen = [one.load_average for one in self.records] or [0.0]
        return min(seen), max(seen)
