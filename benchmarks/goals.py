"""GOALS: what is to be reached, and whether it was. Add a goal: one entry. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from benchmarks.figures import (
    HELP,
    OURS,
    OURS_MEMORY,
    OURS_MEMORY_REAL,
    OURS_OPEN,
    OURS_SYNTHETIC,
    PG_ACTIVITY,
    PGCENTER,
    PGCENTER_IDLE,
    PSQL,
    PSQL_ALL,
    PYTHON,
    SNAPSHOT,
    VERSION,
    Figure,
    Figures,
)

#: What does not depend on the number of sessions is within the noise of two measurements.
SAME = 1.25
#: One repeat of a key at 30 Hz: more is behind.
ONE_REPEAT_MS = 1000 / 30
#: A server without load holds so many sessions; nothing runs on it.
FEW_SESSIONS = 5
SYNTHETIC_SESSIONS = 10_000
#: Enough to come and go, and few enough for 2,000 refreshes in a few minutes.
MEMORY_SESSIONS = 500


class Verdict(StrEnum):
    """How a goal ended."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Goal:
    """At most `limit` times the sum of `beside`, or at most `limit` itself where there is nothing to compare with."""

    number: int
    text: str
    ours: Figure
    limit: float
    beside: tuple[Figure, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A goal and its numbers; `compared` is the ratio, or our number itself, with the least and most of all runs."""

    goal: Goal
    verdict: Verdict
    ours: float | None = None
    beside: float | None = None
    compared: float | None = None
    least: float | None = None
    most: float | None = None


def _steady(program: str, metric: str, sessions: int = 2000) -> Figure:
    return Figure(program, "steady", metric, sessions)


def _keys(program: str, metric: str, sessions: int = 2000) -> Figure:
    return Figure(program, "keys", metric, sessions)


def _same_at_10000(metric: str, phase: str = "keys") -> tuple[Figure, tuple[Figure, ...]]:
    return Figure(OURS_SYNTHETIC, phase, metric, SYNTHETIC_SESSIONS), (Figure(OURS_SYNTHETIC, phase, metric, 2000),)


_DATA = Figure(OURS, "startup", "data_s")
_ACTIVITY_SORT = (_keys(PG_ACTIVITY, "sort_p50_ms"),)
_BARE = (Figure(PYTHON, "command", "wall_ms", 0),)

GOALS: tuple[Goal, ...] = (
    Goal(1, "start to data, of pg_activity's", _DATA, 0.4, (Figure(PG_ACTIVITY, "startup", "data_s"),), "s"),
    Goal(1, "start to data, of pgcenter's", _DATA, 0.7, (Figure(PGCENTER, "startup", "data_s"),), "s"),
    Goal(1, "--help, of python -c pass", Figure(HELP, "command", "wall_ms", 0), 2.0, _BARE, "ms"),
    Goal(1, "--version, of python -c pass", Figure(VERSION, "command", "wall_ms", 0), 2.0, _BARE, "ms"),
    Goal(2, "client CPU, of pg_activity's", _steady(OURS, "cpu_ms"), 0.2, (_steady(PG_ACTIVITY, "cpu_ms"),), "ms"),
    Goal(
        2,
        "client CPU, a group open, of pg_activity's",
        _steady(OURS_OPEN, "cpu_ms"),
        0.2,
        (_steady(PG_ACTIVITY, "cpu_ms"),),
        "ms",
    ),
    Goal(2, "client CPU, of pgcenter's", _steady(OURS, "cpu_ms"), 0.5, (_steady(PGCENTER, "cpu_ms"),), "ms"),
    Goal(
        2,
        "client CPU, of pgcenter's with idle shown",
        _steady(OURS, "cpu_ms"),
        0.15,
        (_steady(PGCENTER_IDLE, "cpu_ms"),),
        "ms",
    ),
    Goal(
        2,
        "client CPU at 50 sessions, of pg_activity's",
        _steady(OURS, "cpu_ms", 50),
        0.8,
        (_steady(PG_ACTIVITY, "cpu_ms", 50),),
        "ms",
    ),
    Goal(
        2,
        "client CPU at 10,000 sessions, of that at 2,000",
        Figure(OURS_SYNTHETIC, "synthetic", "cpu_ms", SYNTHETIC_SESSIONS),
        6.0,
        (Figure(OURS_SYNTHETIC, "synthetic", "cpu_ms", 2000),),
        "ms",
    ),
    Goal(
        2,
        "a move at 10,000, of that at 2,000",
        _same_at_10000("move_p50_ms")[0],
        SAME,
        _same_at_10000("move_p50_ms")[1],
        "ms",
    ),
    Goal(
        2,
        "a page at 10,000, of that at 2,000",
        _same_at_10000("scroll_p50_ms")[0],
        SAME,
        _same_at_10000("scroll_p50_ms")[1],
        "ms",
    ),
    Goal(
        2,
        "CPU of a held arrow at 10,000, of that at 2,000",
        _same_at_10000("hold_cpu_ms", "hold")[0],
        SAME,
        _same_at_10000("hold_cpu_ms", "hold")[1],
        "ms",
    ),
    Goal(3, "bytes, of pg_activity's", _steady(OURS, "bytes"), 0.25, (_steady(PG_ACTIVITY, "bytes"),)),
    Goal(
        3, "bytes, ages ticking, of pg_activity's", _steady(OURS_OPEN, "bytes"), 0.25, (_steady(PG_ACTIVITY, "bytes"),)
    ),
    Goal(3, "bytes on an idle server", Figure(OURS, "idle", "bytes", FEW_SESSIONS), 299),
    Goal(
        4, "server CPU, of pg_activity's", _steady(OURS, "server_ms"), 0.65, (_steady(PG_ACTIVITY, "server_ms"),), "ms"
    ),
    Goal(4, "server CPU, of psql's", _steady(OURS, "server_ms"), 1.6, (_steady(PSQL, "server_ms"),), "ms"),
    Goal(4, "statements of every tick, idle server", Figure(OURS, "idle", "statements_each_tick", FEW_SESSIONS), 1),
    Goal(4, "statements of every tick, under load", _steady(OURS, "statements_each_tick"), 2),
    Goal(4, "temporary files", _steady(OURS, "temp_files"), 0),
    Goal(
        5,
        "a move, p95, of pg_activity's",
        _keys(OURS_OPEN, "move_p95_ms"),
        0.8,
        (_keys(PG_ACTIVITY, "move_p95_ms"),),
        "ms",
    ),
    Goal(
        5, "bytes of a move, of pg_activity's", _keys(OURS_OPEN, "move_bytes"), 0.1, (_keys(PG_ACTIVITY, "move_bytes"),)
    ),
    Goal(5, "sort, of pg_activity's sort", _keys(OURS_OPEN, "sort_p50_ms"), 0.15, _ACTIVITY_SORT, "ms"),
    Goal(5, "regroup, of pg_activity's sort", _keys(OURS_OPEN, "regroup_p50_ms"), 0.15, _ACTIVITY_SORT, "ms"),
    Goal(5, "expand, of pg_activity's sort", _keys(OURS_OPEN, "expand_p50_ms"), 0.15, _ACTIVITY_SORT, "ms"),
    Goal(5, "a filter keystroke, of pg_activity's sort", _keys(OURS_OPEN, "filter_p50_ms"), 0.15, _ACTIVITY_SORT, "ms"),
    Goal(5, "behind an arrow held at 30 Hz", Figure(OURS_OPEN, "hold", "hold_lag_ms"), ONE_REPEAT_MS, unit="ms"),
    Goal(6, "RSS, of pg_activity's", _steady(OURS, "rss_mb"), 1.0, (_steady(PG_ACTIVITY, "rss_mb"),), "MB"),
    Goal(
        6,
        "growth after the first 200 refreshes",
        Figure(OURS_MEMORY, "memory", "growth_percent", MEMORY_SESSIONS),
        2.0,
        unit="%",
    ),
    Goal(6, "growth, real sessions", Figure(OURS_MEMORY_REAL, "memory", "growth_percent"), 2.0, unit="%"),
    Goal(
        7,
        "snapshot --json, of psql's SELECT * and python -c pass",
        Figure(SNAPSHOT, "snapshot", "wall_ms"),
        1.5,
        (Figure(PSQL_ALL, "snapshot", "wall_ms"), Figure(PYTHON, "snapshot", "wall_ms")),
        "ms",
    ),
)


def judge(goal: Goal, figures: Figures) -> Judged:
    """Medians are compared; the spread is that of runs which followed one another."""
    ours = figures.values(goal.ours)
    beside = [figures.values(one) for one in goal.beside]
    if not ours or not all(beside):
        return Judged(goal, Verdict.NOT_MEASURED)
    reference = sum(median(one) for one in beside) if beside else None
    paired = [sum(together) for together in zip(*beside, strict=False)] if beside else [1.0] * len(ours)
    if reference == 0 or not all(paired):
        return Judged(goal, Verdict.NOT_MEASURED, median(ours), reference)
    compared = median(ours) / (reference if reference is not None else 1.0)
    spread = [one / other for one, other in zip(ours, paired, strict=False)]
    verdict = Verdict.MET if compared <= goal.limit else Verdict.MISSED
    return Judged(goal, verdict, median(ours), reference, compared, min(spread), max(spread))


def judge_all(figures: Figures, goals: Sequence[Goal] = GOALS) -> list[Judged]:
    """Every goal, in order."""
    return [judge(goal, figures) for goal in goals]
