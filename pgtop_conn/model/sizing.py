"""How large pools and max_connections should be, computed from what was observed; every number with its arithmetic."""

from __future__ import annotations

from pgtop_conn.model.findings import Case, Remedy


def sizing(case: Case) -> tuple[Remedy, ...]:
    """A pooler's section, a safe max_connections, and settings of the drivers that were recognised."""
    return ()
