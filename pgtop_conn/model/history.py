"""History: a ring of (server time, counts), and what it says: rate, peak, seconds to full.

The rate is the median of pairwise slopes (Theil-Sen), so a burst or a single noisy poll does not move it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from pgtop_conn.model.slots import SlotBudget

#: Seconds of history a rate looks at, and the least it needs to say anything.
RATE_WINDOW_S = 300.0
RATE_NEEDS_S = 15.0
#: Points a rate is computed from: pairs grow with the square.
RATE_POINTS = 24
#: Below so many sessions a minute the total counts as flat.
FLAT_PER_MINUTE = 0.5


@dataclass(frozen=True, slots=True)
class Point:
    """One poll; `counts` maps a group's name (any hashable path) to its sessions."""

    at: float
    used: int
    counts: Mapping[object, int]


@dataclass(frozen=True, slots=True)
class Trend:
    """Sessions per minute, seconds until an ordinary login is refused (None: flat, falling or unknown), the peak."""

    per_minute: float | None
    seconds_to_full: float | None
    peak: int
    peak_at: float


class History:
    """The last `size` polls of one server."""

    def __init__(self, size: int = 900) -> None:
        self._points: deque[Point] = deque(maxlen=size)
        self._peak: tuple[int, float] = (0, 0.0)

    def add(self, at: float, used: int, counts: Mapping[object, int]) -> None:
        """Append a poll; one that is not newer than the last (a clock set back) starts the history again."""
        if self._points and at < self._points[-1].at:
            self._points.clear()
        self._points.append(Point(at, used, counts))
        if used > self._peak[0] or not self._peak[1]:
            self._peak = (used, at)

    def used(self, count: int) -> list[int]:
        """The last `count` totals, oldest first."""
        return [point.used for point in list(self._points)[-count:]]

    def trend(self, budget: SlotBudget) -> Trend | None:
        """What the totals say; None before the first poll."""
        if not self._points:
            return None
        rate = self.per_minute()
        seconds = None
        if rate is not None and rate >= FLAT_PER_MINUTE and budget.ordinary_free > 0:
            seconds = 60.0 * budget.ordinary_free / rate
        return Trend(rate, seconds, *self._peak)

    def per_minute(self, group: object = None) -> float | None:
        """Sessions per minute of the total, or of one group; None while there is too little history."""
        points = self._recent()
        if not points or points[-1].at - points[0].at < RATE_NEEDS_S:
            return None
        values = [(point.at, point.used if group is None else point.counts.get(group, 0)) for point in points]
        slopes = [
            (later[1] - earlier[1]) / (later[0] - earlier[0])
            for index, earlier in enumerate(values)
            for later in values[index + 1 :]
            if later[0] > earlier[0]
        ]
        return 60.0 * median(slopes) if slopes else None

    def _recent(self) -> list[Point]:
        """Points of the window, thinned evenly; the newest always among them."""
        if not self._points:
            return []
        since = self._points[-1].at - RATE_WINDOW_S
        points = [point for point in self._points if point.at >= since]
        step = max(1, -(-len(points) // RATE_POINTS))
        return points[::-1][::step][::-1]
