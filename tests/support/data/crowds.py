"""Polls of plain sessions: a few of one application, and more or fewer of them from poll to poll."""

from __future__ import annotations

from typing import Unpack

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import BEGAN, NOW, make_backend, make_own, make_snapshot
from tests.support.data.fields import BackendFields

#: The group of `web` is open.
OPEN = ViewState(expanded=frozenset({("web",)}))


def sessions(
    *pids: int, at: float = NOW, backend_start: float | None = BEGAN, **fields: Unpack[BackendFields]
) -> Snapshot:
    """Our own session and these of `web`, the first the longest in its state."""
    rows = [make_own()]
    for pid in pids:
        since: BackendFields = {"state_change": NOW - 200.0 + pid}
        rows.append(make_backend(pid, backend_start=backend_start, **(since | fields)))
    return make_snapshot(rows, taken_at=at)


def seen(count: int, at: float) -> Snapshot:
    """`count` sessions of one application, and our own."""
    rows = [make_own(), *(make_backend(pid, app="billing") for pid in range(100, 100 + count))]
    return make_snapshot(rows, taken_at=at)


POLLS = [seen(count, NOW + 2.0 * index) for index, count in enumerate((3, 10, 40, 20))]
