"""Who may be signalled, worked out a second time: from the server's own catalogs and the table of guards in words.

It shares no code with the program. `look` asks the server as a superuser, so nothing is hidden from it; what the
monitor's role may see and signal is asked of the server with pg_has_role(), which is what the server itself uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.support.servers import Connection

LOOK = """
SELECT
    a.pid, a.backend_type, coalesce(r.rolname, '') AS role, coalesce(r.rolsuper, false) AS superuser,
    a.application_name AS app, a.state, coalesce(r.rolname = $1, false) AS own,
    a.usesysid IS NOT NULL AS owned, r.oid IS NOT NULL AS known,
    coalesce(a.wait_event_type = 'Client', false) AS waits_on_client,
    coalesce(r.rolreplication, false) OR a.backend_type = 'walsender'
        OR EXISTS (SELECT FROM pg_stat_replication AS s WHERE s.pid = a.pid)
        OR coalesce((SELECT NOT r.rolsuper AND pg_has_role(r.oid, x.oid, 'MEMBER') FROM pg_roles AS x
            WHERE x.rolname = 'rds_replication'), false) AS replicates,
    coalesce(a.query ~* 'pg_(start_backup|backup_start)', false) AS backs_up,
    a.backend_xid IS NOT NULL AS wrote,
    coalesce(
        a.application_name = 'pg_dump' AND a.state <> 'idle'
        OR a.state = 'active' AND a.query ~* '^(create|vacuum|copy) '
        OR a.query ~* '^(listen|declare .* with hold|create temp) ', false
    ) OR EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted) AS keeps,
    m.rolsuper AS monitor_superuser,
    m.rolsuper OR pg_has_role(m.oid, 'pg_read_all_stats', 'USAGE')
        OR coalesce(pg_has_role(m.oid, r.oid, 'USAGE'), false) AS visible,
    pg_has_role(m.oid, 'pg_signal_backend', 'USAGE') OR coalesce(pg_has_role(m.oid, r.oid, 'USAGE'), false) AS granted
FROM pg_stat_activity AS a
LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
CROSS JOIN (SELECT oid, rolsuper FROM pg_roles WHERE rolname = $1) AS m
"""

STATES = {"active", "idle", "idle in transaction", "idle in transaction (aborted)"}
PROVIDERS_OWN = {"rdsadmin", "azuresu", "cloudsqladmin", "supabase_admin"}
REPLICATE_BY_NAME = {"rdsrepladmin", "supabase_replication_admin", "ibm-replication"}


@dataclass(frozen=True, slots=True)
class Rules:
    """How a choice is made and what was allowed; `protected` and `replicates` are prefixes of role names."""

    bulk: bool
    allow_replication: bool = False
    allow_superuser: bool = False
    protected: str = "vault_"
    replicates: str = "mirror_"
    cancel: bool = False
    #: `kill`: nobody is asked.
    headless: bool = False
    include_cautioned: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """One process as the server knows it, and what the monitor's role is to it."""

    pid: int
    backend_type: str
    role: str
    superuser: bool
    app: str
    state: str | None
    #: The session of the monitor itself.
    own: bool
    waits_on_client: bool
    owned: bool
    #: Its role is there: the server permits a signal to one whose role was dropped, but nobody can tell who it was.
    known: bool
    replicates: bool
    #: An online backup that would be aborted.
    backs_up: bool
    wrote: bool
    #: Runs a dump or a definition, listens, or holds a lock, a cursor or a temporary table.
    keeps: bool
    monitor_superuser: bool
    visible: bool
    granted: bool

    @property
    def permitted(self) -> bool:
        """Whether pg_terminate_backend() lets the monitor: PostgreSQL's manual, "Server Signaling Functions"."""
        if self.monitor_superuser:
            return True
        return self.granted and self.owned and not self.superuser

    @property
    def is_unclear(self) -> bool:
        """Whether nobody can tell who it is, or what it does."""
        return not self.known or self.app == "pgtop-conn" or self.state not in STATES

    @property
    def is_asked_about(self) -> bool:
        """What is confirmed with a reason, alone and in bulk."""
        return self.backs_up or self.wrote or self.keeps

    def protected(self, rules: Rules) -> bool:
        """Whether the table of guards keeps everybody from signalling it, whatever the server permits."""
        if self.backend_type not in ("client backend", "walsender") or self.own:
            return True
        if self.role in PROVIDERS_OWN or self.role.startswith(rules.protected):
            return True
        if (rules.bulk and self.is_unclear) or (self.backend_type == "walsender" and not self.known):
            return True
        if self.backs_up and rules.bulk and not rules.include_cautioned:
            return True
        if self.is_asked_about and rules.headless and not rules.include_cautioned:
            return True
        replicates = self.replicates or self.role in REPLICATE_BY_NAME or self.role.startswith(rules.replicates)
        if replicates and (rules.bulk or not rules.allow_replication):
            return True
        return self.superuser and rules.bulk and not rules.allow_superuser

    def signalled(self, rules: Rules) -> bool:
        """Whether a plan that is confirmed as it asks to be signals this session."""
        useless = rules.cancel and (self.state != "active" or self.waits_on_client)
        return self.visible and self.permitted and not useless and not self.protected(rules)


async def look(superuser: Connection, monitor: str) -> dict[int, Truth]:
    """Every process by its pid."""
    rows = await superuser.fetch(LOOK, monitor)
    return {row["pid"]: Truth(**dict(row)) for row in rows}


def expected(truth: dict[int, Truth], chosen: Iterable[int], rules: Rules) -> set[int]:
    """The pids that must be signalled out of those that were chosen."""
    return {pid for pid in chosen if pid in truth and truth[pid].signalled(rules)}
