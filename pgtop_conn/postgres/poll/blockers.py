"""BlockerReader: who waits for whom, and when to ask again, since the question takes every lock partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress

from pgtop_conn.postgres.poll.row_cache import Reading
from pgtop_conn.postgres.poll.rows import ActivityRow

#: Who else came to block shows in no row of those concerned: a lock may be shared by one more session.
AGAIN_AFTER_S = 10.0

#: What changes with every statement and transaction: without it a session has neither taken nor freed a lock.
_Doing = tuple[object, ...]


class BlockerReader:
    """The last answer, and what the sessions it concerns were doing then."""

    def __init__(self) -> None:
        self._blocked: Mapping[int, tuple[int, ...]] = {}
        self._doing: frozenset[_Doing] = frozenset()
        self._waiting: frozenset[int] = frozenset()
        self._due = 0.0
        #: Those shown as blocked by the last poll.
        self.blocked_before: frozenset[int] = frozenset()

    def of(self, waiting: Iterable[int]) -> Mapping[int, tuple[int, ...]]:
        """Who blocks each of these, as far as it was asked for."""
        return {pid: self._blocked[pid] for pid in waiting if pid in self._blocked}

    def is_news(self, reading: Reading, waiting: Sequence[int], now: float) -> bool:
        """Whether others wait, a waiting or blocking session has gone on, or the answer has become old."""
        return now >= self._due or frozenset(waiting) != self._waiting or self._now_doing(reading) != self._doing

    def learn(
        self, reading: Reading, waiting: Sequence[int], blocked: Mapping[int, tuple[int, ...]], now: float
    ) -> None:
        """A new answer for those that wait in this reading."""
        self._blocked, self._waiting, self._due = blocked, frozenset(waiting), now + AGAIN_AFTER_S
        self._doing = self._now_doing(reading)

    def _now_doing(self, reading: Reading) -> frozenset[_Doing]:
        concerned = self._waiting.union(*self._blocked.values())
        if not concerned:
            return frozenset()
        rows = map(ActivityRow._make, compress(reading.rows, map(concerned.__contains__, reading.pids)))
        return frozenset((row.pid, *_doing(row)) for row in rows)


def _doing(row: ActivityRow) -> _Doing:
    lock = row.wait_event if row.wait_event_type == "Lock" else None
    return (row.backend_start, row.xact_start, row.query_start, row.state_change, lock)
