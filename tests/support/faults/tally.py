"""The results of all lanes as one table, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from tests.support.faults.kinds import KINDS
from tests.support.faults.lane import One, Result
from tests.support.faults.sampler import Seen

#: Memory of the last quarter against that of the first, and how much more is no leak.
GROWTH_MOST = 1.15
GROWTH_ALLOWED_KB = 6_000
DESCRIPTORS_MORE = 2

_HEAD = ("fault", "count", "recovered", "median s", "worst s", "said STALE", "sessions", "connected", "abandoned")


def table(results: Sequence[Result]) -> list[str]:
    """A row for each kind that happened."""
    every = [one for result in results for one in result.ones]
    rows: list[tuple[str, ...]] = [_HEAD]
    rows += [_row(kind.name, [one for one in every if one.kind == kind.name], results) for kind in KINDS]
    rows.append(_row("all", every, results, every_kind=True))
    shown = [row for row in rows if row[1] != "0"]
    widths = [max(len(row[column]) for row in shown) for column in range(len(_HEAD))]
    return ["  ".join(_placed(text, width, first) for text, width, first in _cells(row, widths)) for row in shown]


def _cells(row: Sequence[str], widths: Sequence[int]) -> Iterable[tuple[str, int, bool]]:
    return ((text, width, index == 0) for index, (text, width) in enumerate(zip(row, widths, strict=True)))


def _placed(text: str, width: int, first: bool) -> str:
    return text.ljust(width) if first else text.rjust(width)


def _row(name: str, ones: Sequence[One], results: Sequence[Result], *, every_kind: bool = False) -> tuple[str, ...]:
    times = [one.recovered_s for one in ones if one.recovered_s is not None]
    # Through a pooler the server's sessions are the pooler's.
    direct = [result for result in results if result.order.stage != "pooler"]
    seen = [one for result in direct for kind, one in result.seen.items() if every_kind or kind == name]
    connected = [one for result in results for kind, one in result.seen.items() if every_kind or kind == name]
    return (
        name,
        str(len(ones)),
        str(len(times)),
        f"{median(times):.2f}" if times else "",
        f"{max(times):.2f}" if times else "",
        str(sum(one.told_stale for one in ones)),
        str(max((one.most_sessions for one in seen), default=0)),
        str(max((one.most_connections for one in connected), default=0)),
        _abandoned(seen),
    )


def _abandoned(seen: Sequence[Seen]) -> str:
    count = sum(one.abandoned for one in seen)
    return f"{count} ({max(one.abandoned_longest_s for one in seen):.2f} s)" if count else ""


def notes(results: Sequence[Result]) -> list[str]:
    """Samples, memory and descriptors of each lane."""
    lines = [
        "sessions, connected: at any sample the most of ours on the servers, and of the monitor's open connections",
        "abandoned: samples (longest run) with two sessions on the servers, one of them hung or out of reach, given up",
        "by us and not connected by us any more; without the pooler, whose sessions are its own",
    ]
    for result in results:
        samples = sum(one.instants for one in result.seen.values())
        gap = max((one.gap_longest_s for one in result.seen.values()), default=0.0)
        late = sum(one.late for one in result.seen.values())
        lines.append(
            f"{result.order.stage}, seed {result.order.seed}: {len(result.ones)} faults;"
            f" {samples} samples, {late} more than 50 ms after the one before, {gap * 1000:.0f} ms at most;"
            f" first and last quarter: {_growth(result)}"
        )
    return lines


def _growth(result: Result) -> str:
    first, last = quarters(result.memory_kb)
    before, after = quarters(result.descriptors)
    return f"memory {first / 1000:.1f} and {last / 1000:.1f} MB, descriptors {before:.0f} and {after:.0f}"


def quarters(figures: Sequence[int]) -> tuple[float, float]:
    """The medians of the first and the last quarter."""
    if not figures:
        return 0.0, 0.0
    length = max(1, len(figures) // 4)
    return median(figures[:length]), median(figures[-length:])


def wrong(results: Sequence[Result], *, growth: bool = True) -> list[str]:
    """Everything that must not be; memory is judged only where a run is long enough to tell."""
    lines = [line for result in results for line in result.wrong]
    for result in results:
        name = result.order.stage
        if missing := result.order.faults - sum(one.recovered_s is not None for one in result.ones):
            lines.append(f"{name}: {missing} faults without recovery, or not done")
        first, last = quarters(result.memory_kb)
        if growth and last > max(first * GROWTH_MOST, first + GROWTH_ALLOWED_KB):
            lines.append(f"{name}: memory grew from {first / 1000:.1f} to {last / 1000:.1f} MB")
        before, after = quarters(result.descriptors)
        if after > before + DESCRIPTORS_MORE:
            lines.append(f"{name}: descriptors grew from {before:.0f} to {after:.0f}")
    return lines
