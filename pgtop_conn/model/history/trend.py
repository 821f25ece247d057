"""History: what the polls of one server say together: rate, peak, seconds to full, sessions opened and ended a second.

A rate is the median of pairwise slopes (Theil-Sen) over five minutes: a burst or a noisy poll does not move it. How far
the pairs agree on the direction (Kendall's tau) tells growth from noise. A restart begins the rates anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Counters

#: Seconds of history a rate looks at, and the least it needs to say anything.
RATE_WINDOW_S = 300.0
RATE_NEEDS_S = 15.0
#: What happens now is shown when the last half minute differs from the window by so many sessions a minute.
RECENT_S = 30.0
APART_PER_MINUTE = 6.0
#: And by such a share of the larger of the two.
APART_SHARE = 0.6
#: Points a rate is computed from: pairs grow with the square.
RATE_POINTS = 24
#: Below so many sessions a minute the total counts as flat.
FLAT_PER_MINUTE = 0.5
#: Pure noise agrees on a direction so many standard deviations far once in some million polls; more is a trend.
TREND_SIGMAS = 5.0
#: Agreement that is always enough.
TREND_TAU = 0.95
#: Groups are counted this often; the totals at every poll.
GROUPS_EVERY_S = 5.0
GROUPS_KEPT = int(RATE_WINDOW_S / GROUPS_EVERY_S) + 1
#: Sessions opened and ended a second are averaged over this.
CHURN_WINDOW_S = 60.0
#: Transactions a second that differ by less between the window's halves are flat.
FLAT_TRANSACTIONS = 0.2
#: A leak shows over this long at least.
LEAK_NEEDS_S = 60.0

Counts = Mapping[Hashable, int]
Series = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Trend:
    """Sessions per minute (None: too little history); seconds until an ordinary login is refused (None: flat,
    falling, noisy or unknown); the high-water mark and its server time."""

    per_minute: float | None
    seconds_to_full: float | None
    peak: int
    peak_at: float


@dataclass(frozen=True, slots=True)
class Churn:
    """Sessions per second over the last minute; None where the server does not count them (13 and older)."""

    opened: float | None
    killed: float | None
    abandoned: float | None
    fatal: float | None
    transactions: float
    #: Seconds between the two readings that these are from.
    over_s: float = 0.0


class History:
    """The last `size` polls."""

    def __init__(self, size: int = 900) -> None:
        self._used: deque[tuple[float, int]] = deque(maxlen=size)
        #: The newest counts; before them, oldest first, only what each differs in from the one before, since most
        #: groups stay as they are; and what was counted before all of these.
        self._counts: Counts = {}
        self._groups: deque[tuple[float, Counts]] = deque()
        self._before: dict[Hashable, int] = {}
        self._counters: deque[Counters] = deque(maxlen=size)
        self._peak: tuple[int, float] | None = None
        self._started_at: float | None = None
        self._last_at: float | None = None
        #: When the server that is watched now began, if another run of it was watched before.
        self.restarted_at: float | None = None
        self._rates: dict[Hashable, float | None] = {}

    def add(
        self,
        at: float,
        used: int,
        counts: Callable[[], Counts],
        *,
        started_at: float | None = None,
        counters: Counters | None = None,
    ) -> None:
        """Append a poll. `counts` (sessions by group) is asked for only when due; `started_at` tells a restart."""
        restarted = started_at != self._started_at
        if restarted or (self._used and at < self._used[-1][0]):
            self._used.clear()
            self._groups.clear()
            self._before, self._counts = {}, {}
            self._counters.clear()
            if restarted and self._started_at is not None:
                # One that began before the last poll ran already: another server, which nobody restarted.
                later = started_at is not None and self._last_at is not None and started_at >= self._last_at
                self.restarted_at = started_at if later else None
                self._peak = self._peak if later else None
            self._started_at = started_at
        self._last_at = at
        self._used.append((at, used))
        if not self._groups or at - self._groups[-1][0] >= GROUPS_EVERY_S:
            self._add_counts(at, counts())
        if counters is not None and (not self._counters or counters.at > self._counters[-1].at):
            if self._counters and counters.transactions < self._counters[-1].transactions:
                # pg_stat_reset(), or a database was dropped: what came before can't be compared.
                self._counters.clear()
            self._counters.append(counters)
        if self._peak is None or used > self._peak[0]:
            self._peak = (used, at)

    def _add_counts(self, at: float, counts: Counts) -> None:
        last, self._counts = self._counts, counts
        changed = {group: count for group, count in counts.items() if last.get(group) != count}
        changed.update(dict.fromkeys(last.keys() - counts.keys(), 0))
        self._groups.append((at, changed))
        if len(self._groups) > GROUPS_KEPT:
            _, oldest = self._groups.popleft()
            self._before.update(oldest)
            self._before = {group: count for group, count in self._before.items() if count}
        self._rates.clear()

    def used(self, count: int) -> list[int]:
        """The last `count` totals, oldest first."""
        return [used for _, used in list(self._used)[-count:]]

    def points(self) -> list[tuple[float, int]]:
        """Every total with its server time, oldest first."""
        return list(self._used)

    def trend(self, budget: SlotBudget) -> Trend | None:
        """What the totals say; None before the first poll."""
        if self._peak is None:
            return None
        points = list(self._used)
        rate, trending = slope(_thinned(points))
        seconds = None
        if rate is not None and rate >= FLAT_PER_MINUTE and trending and budget.ordinary_free > 0:
            seconds = 60.0 * budget.ordinary_free / rate
        return Trend(current_rate(points), seconds, *self._peak)

    def per_minute(self, group: Hashable) -> float | None:
        """Sessions per minute of one group of the counts; None while there is too little history."""
        if group not in self._rates:
            count, points = self._before.get(group, 0), []
            for at, changed in self._groups:
                count = changed.get(group, count)
                points.append((at, count))
            self._rates[group] = current_rate(points)
        return self._rates[group]

    def churn(self) -> Churn | None:
        """Sessions opened and ended a second; None without two readings since the last reset."""
        if len(self._counters) < 2:
            return None
        last = self._counters[-1]
        first = next(counters for counters in self._counters if last.at - counters.at <= CHURN_WINDOW_S)
        if first is last:
            first = self._counters[-2]
        seconds = last.at - first.at

        def rate(later: int | None, earlier: int | None) -> float | None:
            return None if later is None or earlier is None else (later - earlier) / seconds

        return Churn(
            opened=rate(last.opened, first.opened),
            killed=rate(last.killed, first.killed),
            abandoned=rate(last.abandoned, first.abandoned),
            fatal=rate(last.fatal, first.fatal),
            transactions=(last.transactions - first.transactions) / seconds,
            over_s=seconds,
        )

    def leak_signature(self) -> bool:
        """Connections climb while transactions a second stay flat or fall: work did not ask for them."""
        points = [point for point in self._counters if point.at >= self._counters[-1].at - RATE_WINDOW_S]
        if len(points) < 3 or points[-1].at - points[0].at < LEAK_NEEDS_S:
            return False
        rate, trending = slope(_thinned(list(self._used)))
        if rate is None or rate < FLAT_PER_MINUTE or not trending:
            return False
        middle = points[len(points) // 2]
        before = (middle.transactions - points[0].transactions) / (middle.at - points[0].at)
        after = (points[-1].transactions - middle.transactions) / (points[-1].at - middle.at)
        return after <= before * (1 + FLAT_TRANSACTIONS) + 0.5


def current_rate(points: Sequence[tuple[float, float]]) -> float | None:
    """The rate of the window, or of its last half minute where that is clearly another: after a kill, or when full."""
    rate, _ = slope(_thinned(points))
    series = _thinned(points, RECENT_S)
    recent, trending = slope(series)
    if rate is None or recent is None:
        return rate
    if abs(recent - rate) < max(APART_PER_MINUTE, APART_SHARE * max(abs(recent), abs(rate))):
        return rate
    # Noise alone is no reason to leave the window.
    still = len({value for _, value in series}) == 1
    return recent if trending or still else rate


def _thinned(points: Sequence[tuple[float, float]], window_s: float = RATE_WINDOW_S) -> Series:
    """Points of the window, thinned evenly, the newest always among them."""
    if not points:
        return []
    since = points[-1][0] - window_s
    recent = [point for point in points if point[0] >= since]
    step = max(1, -(-len(recent) // RATE_POINTS))
    return recent[::-1][::step][::-1]


def slope(series: Series) -> tuple[float | None, bool]:
    """Theil-Sen slope per minute (None: too little history), and whether it is a trend and not noise."""
    if not series or series[-1][0] - series[0][0] < RATE_NEEDS_S:
        return None, False
    if len({value for _, value in series}) == 1:
        return 0.0, False
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(series)
        for later in series[index + 1 :]
        if later[0] > earlier[0]
    ]
    slopes.sort()
    tau = abs(len(slopes) - bisect_right(slopes, 0.0) - bisect_left(slopes, 0.0)) / len(slopes)
    count = len(series)
    # The spread of tau where there is no trend (Kendall 1938).
    spread = sqrt(2 * (2 * count + 5) / (9 * count * max(1, count - 1)))
    return 60.0 * median(slopes), tau >= min(TREND_TAU, TREND_SIGMAS * spread)
