"""How large pools and max_connections should be, computed from what was observed; every number with its arithmetic."""

from __future__ import annotations

from pgtop_conn.model.findings import Case, Remedy
from pgtop_conn.model.remedies.driver_settings import driver_settings
from pgtop_conn.model.remedies.max_connections import safe_max_connections
from pgtop_conn.model.remedies.pgbouncer import SUPABASE, bouncer, supavisor
from pgtop_conn.model.snapshot import HOST_DOOR


def sizing(case: Case) -> tuple[Remedy, ...]:
    """A pooler's section, a safe max_connections, and settings of the drivers that were recognised.

    Nothing by the host door: process titles name no application, and tell of an instant alone.
    """
    if case.snapshot.server.door == HOST_DOOR:
        return ()
    pooler = supavisor(case) if case.snapshot.server.provider == SUPABASE else bouncer(case)
    return (*pooler, *safe_max_connections(case), *driver_settings(case))
