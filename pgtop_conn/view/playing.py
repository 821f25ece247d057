"""Where a replay is, for the key line: playing or held, how fast, which part of the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.view import format
from pgtop_conn.view.columns import Cell

PLAYING, HELD, ENDED = "▶", "❙❙", "■"
#: The same where only ASCII is drawn.
ASCII_SIGNS = {PLAYING: ">", HELD: "||", ENDED: "[]"}


@dataclass(frozen=True, slots=True)
class Playing:
    """A player and where it is; times are of the server's clock."""

    playing: bool
    at_end: bool
    speed: float
    index: int
    times: Sequence[float]


def playing(state: Playing, *, ascii_only: bool) -> list[Cell]:
    """'▶ 4×  12m05 of 3h12m', in front of the keys."""
    sign = PLAYING if state.playing else ENDED if state.at_end else HELD
    sign = ASCII_SIGNS[sign] if ascii_only else sign
    times = "x" if ascii_only else "×"
    first, last = state.times[0], state.times[-1]
    done = format.duration(max(0.0, state.times[state.index] - first))
    return [
        Cell(f" {sign} ", "ok" if state.playing else "warning"),
        Cell(f"{state.speed:g}{times}", "count"),
        Cell(f"  {done} of {format.duration(max(0.0, last - first))} ", "title"),
    ]
