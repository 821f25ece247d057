"""Sessions that an application opened, used once or for a while, and lost."""

from __future__ import annotations

from typing import Unpack

from pgtop_conn.model.snapshot import Backend
from tests.support.data.factories import NOW, make_backend
from tests.support.data.fields import BackendFields

LEAKED = "SELECT id, total FROM invoices WHERE status = 'open' AND customer = 4711"


def session(pid: int, began_s: float, last_s: float | None = None, **overrides: Unpack[BackendFields]) -> Backend:
    """Began so many seconds after NOW, and ran its last statement at `last_s`, or at its beginning."""
    start = NOW + began_s
    last = start + 0.01 if last_s is None else NOW + last_s
    fields: BackendFields = {"query_start": last, "state_change": last + 0.01, "query": LEAKED}
    return make_backend(pid, backend_start=start, **(fields | overrides))


def lost(count: int, every_s: float = 1.0, **overrides: Unpack[BackendFields]) -> list[Backend]:
    """One lost after the other, the last one `every_s` before NOW."""
    return [session(pid, -every_s * (count + 1 - pid), **overrides) for pid in range(1, count + 1)]
