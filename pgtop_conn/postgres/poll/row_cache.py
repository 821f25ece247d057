"""RowCache: the rows and sessions of the last poll, so that one which did not change costs a comparison and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress, repeat
from operator import eq, itemgetter, not_
from sys import intern
from typing import Any

from pgtop_conn.model.slots import may_hold_slot
from pgtop_conn.model.snapshot import Backend, BackendKey
from pgtop_conn.postgres.connection.link import Rows
from pgtop_conn.postgres.poll.rows import ActivityRow

#: Any row with the columns of ActivityRow: the driver's own compare in C, with one another and with tuples.
Row = Sequence[Any]

_PID = itemgetter(ActivityRow._fields.index("pid"))
_WORDS = itemgetter(
    *map(
        ActivityRow._fields.index,
        ("application_name", "client", "state", "wait_event_type", "wait_event", "backend_type"),
    )
)
_START = ActivityRow._fields.index("backend_start")


class Reading:
    """One answer to activity.sql, set against the rows of the last one."""

    def __init__(self, rows: Rows, kept: Mapping[int, Row]) -> None:
        # The driver's records give their columns by place as well as by name, a door's rows by name alone.
        named = bool(rows) and isinstance(rows[0], dict)
        self.rows: Sequence[Row] = [tuple(row.values()) for row in rows] if named else rows
        self.pids: list[int] = list(map(_PID, self.rows))
        same = map(eq, self.rows, map(kept.get, self.pids))
        #: Rows that are new or differ, or of which something was missing.
        self.changed = [ActivityRow._make(row) for row in compress(self.rows, map(not_, same))]
        #: Whether a session came or went, or one of these has another pid than before.
        self.moved = list(kept) != self.pids or any(
            (old := kept.get(row.pid)) is None or old[_START] != row.backend_start for row in self.changed
        )

    def column(self, name: str) -> list[Any]:
        """One column of every row."""
        return list(map(itemgetter(ActivityRow._fields.index(name)), self.rows))

    def change_all(self) -> None:
        """Look at every row again: what they are read with has changed."""
        self.changed = [ActivityRow._make(row) for row in self.rows]


class RowCache:
    """What the last poll came to. It takes a poll as a whole, in one step, or not at all."""

    def __init__(self) -> None:
        #: By pid, as all that follows, and in the order of the server. A row that is not there is looked at again.
        self.rows: dict[int, Row] = {}
        self.backends: dict[int, Backend] = {}
        self.by_key: dict[BackendKey, Backend] = {}
        #: Those whose text the server did not give.
        self.untold: frozenset[int] = frozenset()
        #: How many may hold a slot.
        self.used = 0

    def forget_rows(self) -> None:
        """Have every session built anew: names have changed."""
        self.rows = {}

    def take(self, reading: Reading, backends: Mapping[int, Backend], untold: frozenset[int]) -> None:
        """The next poll: its rows, and the sessions that are new or differ. `untold` are to be looked at once more."""
        before, pids = self.backends, reading.pids
        moved = list(before) != pids
        for pid, backend in backends.items():
            old = before.get(pid)
            if old is not None:
                self.used -= may_hold_slot(old)
                moved = moved or old.key != backend.key
            self.used += may_hold_slot(backend)
        rows = self.rows
        if moved:
            self._take_anew(reading, backends)
            # The old row where it is equal: the values of a new one would be kept beside those of its session.
            self.rows = dict(zip(pids, map(rows.get, pids, repeat(())), strict=True))
        else:
            before.update(backends)
            # Not in place: the last Snapshot has the old one.
            self.by_key = self.by_key | {backend.key: backend for backend in backends.values()}
        self.rows.update({row.pid: _compact(row) for row in reading.changed})
        self.untold = untold
        for pid in untold:
            self.rows.pop(pid, None)

    def _take_anew(self, reading: Reading, backends: Mapping[int, Backend]) -> None:
        """As take(), where sessions came or went."""
        before, pids = self.backends, reading.pids
        self.backends = {pid: backends.get(pid) or before[pid] for pid in pids}
        for pid in before.keys() - self.backends.keys():
            self.used -= may_hold_slot(before[pid])
        self.by_key = {backend.key: backend for backend in self.backends.values()}


def _compact(row: ActivityRow) -> Row:
    """A row to compare the next one with: words that many share once, and no text, which the next will not have."""
    application_name, client, state, wait_event_type, wait_event, backend_type = map(_once, _WORDS(row))
    return row._replace(
        application_name=application_name,
        client=client,
        state=state,
        wait_event_type=wait_event_type,
        wait_event=wait_event,
        backend_type=backend_type,
        query=None,
    )


def _once(word: str | None) -> str | None:
    return word if word is None else intern(word)
