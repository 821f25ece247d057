"""What is kept of a poll for the next one: equal values once, whichever row they came with."""

from __future__ import annotations

from typing import Any

import pytest

from pgtop_conn.postgres.poll.catalog_names import Names
from pgtop_conn.postgres.poll.row_cache import Reading, RowCache
from pgtop_conn.postgres.poll.rows import ActivityRow, backend_of


def row(pid: int, state: str = "idle") -> ActivityRow:
    """As a driver gives it: no value is the same object in two rows."""
    empty = dict.fromkeys(ActivityRow._fields)
    words = {"application_name": "web", "client": "10.0.0.7", "state": state, "backend_type": "client backend"}
    fresh = {name: "".join(list(word)) for name, word in words.items()}
    flags = dict.fromkeys(("holds_xmin", "wrote", "hidden", "walsender"), False)
    values: dict[str, Any] = empty | fresh | flags | {"pid": pid, "backend_start": 1.5 + pid}
    return ActivityRow(**values)


def poll(kept: RowCache, rows: list[ActivityRow]) -> list[int]:
    """Take one poll in; the pids that were new or differed."""
    reading = Reading(rows, kept.rows)
    backends = {one.pid: backend_of(one, one.backend_type, Names(), "") for one in reading.changed}
    kept.take(reading, backends, frozenset())
    return [one.pid for one in reading.changed]


def test_words_of_many_rows_are_kept_once() -> None:
    kept = RowCache()
    poll(kept, [row(1), row(2)])
    for name in ("application_name", "client", "state", "backend_type"):
        at = ActivityRow._fields.index(name)
        assert kept.rows[1][at] is kept.rows[2][at], name


@pytest.mark.parametrize("pids", [(1, 2, 3), (2, 3), (3, 2, 1, 4), (5, 1, 2)])
def test_a_row_that_stays_the_same_is_not_kept_anew(pids: tuple[int, ...]) -> None:
    kept = RowCache()
    poll(kept, [row(1), row(2), row(3)])
    before = dict(kept.rows)
    assert poll(kept, [row(pid) for pid in pids]) == [pid for pid in pids if pid not in before]
    assert list(kept.rows) == list(pids)
    assert all(kept.rows[pid] is before[pid] for pid in pids if pid in before)
    assert poll(kept, [row(pid, "active" if pid == 2 else "idle") for pid in pids]) == [2] * (2 in pids)
