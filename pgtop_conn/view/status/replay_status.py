"""Where a replay is, for the key line: playing, held or at its end, how fast, which part of the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.view import format
from pgtop_conn.view.table.columns import Cell


@dataclass(frozen=True, slots=True)
class Playing:
    """A player and where it is; times are of the server's clock."""

    playing: bool
    at_end: bool
    speed: float
    index: int
    times: Sequence[float]


def playing(state: Playing, *, ascii_only: bool) -> list[Cell]:
    """'playing 4×  12m05 of 3h12m', in front of the keys."""
    sign = "playing" if state.playing else "end" if state.at_end else "held"
    times = "x" if ascii_only else "×"
    first, last = state.times[0], state.times[-1]
    done = format.duration(max(0.0, state.times[state.index] - first))
    return [
        Cell(f" {sign} ", "ok" if state.playing else "warning"),
        Cell(f"{state.speed:g}{times}", "count"),
        Cell(f"  {done} of {format.duration(max(0.0, last - first))} ", "title"),
    ]
