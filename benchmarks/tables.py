"""RESULTS.md out of figures: the goals, the programs side by side, the keys, the curves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from benchmarks.figures import (
    OURS,
    OURS_MEMORY,
    OURS_MEMORY_REAL,
    OURS_OPEN,
    OURS_SYNTHETIC,
    PG_ACTIVITY,
    PG_ACTIVITY_REMOTE,
    PG_TOP,
    PGCENTER,
    PGCENTER_IDLE,
    PSQL,
    Figure,
    Figures,
)
from benchmarks.goals import FEW_SESSIONS, MEMORY_SESSIONS, SYNTHETIC_SESSIONS, Judged, Verdict

NOTHING = "–"
#: Carried over from another day's table, where the program is not at hand.
CARRIED = "°"
MANY = 2000
SIDE_BY_SIDE = (OURS, OURS_OPEN, PG_ACTIVITY, PG_ACTIVITY_REMOTE, PG_TOP, PGCENTER, PGCENTER_IDLE, PSQL)
#: Heading, phase and metric of each column.
COLUMNS = (
    ("start to data, s", "startup", "data_s"),
    ("client CPU, ms/refresh", "steady", "cpu_ms"),
    ("terminal, bytes/refresh", "steady", "bytes"),
    ("server CPU, ms/refresh", "steady", "server_ms"),
    ("statements/refresh", "steady", "statements"),
    ("temporary files", "steady", "temp_files"),
    ("RSS, MB", "steady", "rss_mb"),
)
KEYS = ("move", "sort", "regroup", "expand", "filter", "scroll")
CURVES = (
    ("client CPU, ms/refresh", "cpu_ms"),
    ("terminal, bytes/refresh", "bytes"),
    ("server CPU, ms/refresh", "server_ms"),
    ("RSS, MB", "rss_mb"),
)
BAR_CELLS = 40


def number(value: float) -> str:
    """Three digits that mean something.

    >>> [number(value) for value in (0.1734, 3.14159, 36.21, 8123.4, 0)]
    ['0.173', '3.14', '36.2', '8,123', '0']
    """
    if value == round(value) and abs(value) < 1000:
        return f"{value:.0f}"
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"


def spread(values: Sequence[float]) -> str:
    """The median, and the least and the most where the runs differ.

    >>> spread([3, 1, 2]), spread([5, 5]), spread([])
    ('2 [1-3]', '5', '–')
    """
    if not values:
        return NOTHING
    return number(median(values)) + between(min(values), max(values))


def between(least: float, most: float) -> str:
    """The spread in brackets; nothing where there is none.

    >>> between(1, 3), between(0.12341, 0.12343)
    (' [1-3]', '')
    """
    ends = (number(least), number(most))
    return "" if ends[0] == ends[1] else f" [{ends[0]}-{ends[1]}]"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Markdown; the first column is text, the others are numbers. Nothing without rows."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    marks = [":--", *["--:"] * (len(headings) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (headings, marks)] + lines if lines else []


def goals_table(judged: Sequence[Judged]) -> list[str]:
    """One line a goal: our number, what it is compared with, how it ended."""
    headings = ("goal", "ours", "beside", "ratio or value", "at most", "")
    return table(headings, [_goal_row(one) for one in judged])


def _goal_row(one: Judged) -> list[str]:
    unit = f" {one.goal.unit}" if one.goal.unit else ""
    ours = NOTHING if one.ours is None else number(one.ours) + unit
    beside = NOTHING if one.beside is None else number(one.beside) + unit
    ratio = NOTHING
    if one.compared is not None and one.least is not None and one.most is not None:
        ratio = number(one.compared) + between(one.least, one.most)
    verdict = f"**{one.verdict}**" if one.verdict is Verdict.MISSED else str(one.verdict)
    limit = number(one.goal.limit) + ("×" if one.goal.beside else unit)
    return [f"{one.goal.number}. {one.goal.text}", ours, beside, ratio, limit, verdict]


def summary(judged: Sequence[Judged]) -> str:
    """How many goals ended how."""
    counts = {verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def programs_table(figures: Figures) -> list[str]:
    """All programs on 2,000 sessions, and each figure as a ratio to pg_activity's."""
    headings = ("program", *(heading for heading, _, _ in COLUMNS))
    rows = []
    for program in SIDE_BY_SIDE:
        cells = [_cell(figures, Figure(program, phase, metric)) for _, phase, metric in COLUMNS]
        if any(cell != NOTHING for cell in cells):
            rows.append([program, *cells])
    return table(headings, rows)


def _cell(figures: Figures, figure: Figure) -> str:
    values = figures.values(figure)
    shown = spread(values)
    if values and not figures.measured(figure):
        shown += CARRIED
    other = figures.median(Figure(PG_ACTIVITY, figure.phase, figure.metric, figure.sessions))
    if not values or not other or figure.program == PG_ACTIVITY:
        return shown
    return f"{shown}<br>{number(median(values) / other)}×"


def keys_table(figures: Figures) -> list[str]:
    """From a key to the last byte of its answer."""
    measured = (
        (OURS_OPEN, MANY),
        (PG_ACTIVITY, MANY),
        (OURS_SYNTHETIC, MANY),
        (OURS_SYNTHETIC, SYNTHETIC_SESSIONS),
    )
    rows = []
    for program, sessions in measured:
        for key in KEYS:
            metrics = (f"{key}_p50_ms", f"{key}_p95_ms", f"{key}_bytes", f"{key}_seen")
            cells = [spread(figures.values(Figure(program, "keys", metric, sessions))) for metric in metrics]
            if cells[0] != NOTHING:
                rows.append([f"{program}, {sessions:,}: {key}", *cells])
    return table(("key", "p50, ms", "p95, ms", "bytes", "answers a run"), rows)


def hold_table(figures: Figures) -> list[str]:
    """An arrow held down at 30 Hz."""
    measured = ((OURS_OPEN, MANY), (PG_ACTIVITY, MANY), (OURS_SYNTHETIC, MANY), (OURS_SYNTHETIC, SYNTHETIC_SESSIONS))
    metrics = ("hold_lag_ms", "hold_cpu_ms", "hold_bytes")
    rows = [
        [
            f"{program}, {sessions:,}",
            *(spread(figures.values(Figure(program, "hold", metric, sessions))) for metric in metrics),
        ]
        for program, sessions in measured
        if figures.values(Figure(program, "hold", metrics[0], sessions))
    ]
    return table(("program", "behind, ms", "client CPU, ms/key", "bytes/key"), rows)


def memory_table(figures: Figures) -> list[str]:
    """RSS after the first 200 refreshes, and at the end; sessions come and go."""
    metrics = ("grown_refreshes", "first_rss_mb", "last_rss_mb", "growth_percent")
    rows = [
        [
            f"{program}, {count:,}",
            *(spread(figures.values(Figure(program, "memory", metric, count))) for metric in metrics),
        ]
        for program, count in ((OURS_MEMORY, MEMORY_SESSIONS), (OURS_MEMORY_REAL, MANY))
        if figures.values(Figure(program, "memory", "growth_percent", count))
    ]
    return table(("program", "refreshes", "after 200, MB", "at the end, MB", "growth, %"), rows)


def idle_table(figures: Figures) -> list[str]:
    """A server on which nothing happens."""
    metrics = ("cpu_ms", "bytes", "server_ms", "statements", "statements_each_tick")
    cells = [spread(figures.values(Figure(OURS, "idle", metric, FEW_SESSIONS))) for metric in metrics]
    rows = [[OURS, *cells]] if cells[0] != NOTHING else []
    headings = ("client CPU, ms/refresh", "bytes/refresh", "server CPU, ms/refresh", "statements/refresh")
    return table(("program", *headings, "statements of every refresh"), rows)


def curves(figures: Figures) -> list[str]:
    """How everything grows with the sessions: a table, and bars for the CPU."""
    counts = figures.sessions()
    lines: list[str] = []
    for heading, metric in CURVES:
        rows = []
        for program in (OURS, OURS_OPEN, PG_ACTIVITY):
            cells = [spread(figures.values(Figure(program, "steady", metric, count))) for count in counts]
            if counts:
                rows.append([program, *cells, NOTHING])
        made_up = {
            count: figures.values(Figure(OURS_SYNTHETIC, "synthetic", metric, count)) for count in (*counts, 10_000)
        }
        if any(made_up.values()) and metric != "server_ms":
            rows.append([OURS_SYNTHETIC, *(spread(made_up[count]) for count in (*counts, SYNTHETIC_SESSIONS))])
        shown = table((heading, *(f"{count:,}" for count in (*counts, SYNTHETIC_SESSIONS))), rows)
        lines += [*shown, ""] if shown else []
    return lines + bars(_cpu_bars(figures, counts))


def _cpu_bars(figures: Figures, counts: Sequence[int]) -> dict[str, float]:
    chosen = [(program, "steady", count) for count in counts for program in (OURS, PG_ACTIVITY)]
    chosen += [(OURS_SYNTHETIC, "synthetic", count) for count in (MANY, SYNTHETIC_SESSIONS)]
    shown = {}
    for program, phase, count in chosen:
        value = figures.median(Figure(program, phase, "cpu_ms", count))
        if value is not None:
            shown[f"{count:6,} {program}"] = value
    return shown


def bars(values: Mapping[str, float]) -> list[str]:
    """Client CPU in ms/refresh as text, all to one scale."""
    if not values:
        return []
    widest, most = max(map(len, values)), max(values.values())
    drawn = (
        f"{name:<{widest}}  {'█' * max(1, round(BAR_CELLS * value / most))} {number(value)}"
        for name, value in values.items()
    )
    return ["Client CPU, ms/refresh:", "", "```", *drawn, "```"]
