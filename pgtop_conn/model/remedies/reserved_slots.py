"""Remedies for slots that no client session holds: reserves, logins that never finish, walsenders."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from pgtop_conn.model.causes.limits_and_logins import DEFAULT_RESERVE, LARGE_RESERVE_SHARE
from pgtop_conn.model.causes.severity import SATURATED
from pgtop_conn.model.findings import Case, Effect, Finding, Remedy
from pgtop_conn.model.quoting import identifier, shown
from pgtop_conn.model.remedies.emergency import number_in, sql, step, whole
from pgtop_conn.model.remedies.server_settings import alter_system, on_primary, server_wide, untypable

SUPERUSER_SLOTS = 3
MONITOR_SLOTS = 2
#: A reserve must leave at least this share of all slots to applications.
LEAST_ORDINARY = 0.5


def reserve(finding: Finding, case: Case) -> Iterator[Remedy]:
    """Slots for who has to get in when all others are refused: enough of them, and not too many."""
    server = case.snapshot.server
    total = server.superuser_reserved + server.all_reserved
    large = total > max(DEFAULT_RESERVE, LARGE_RESERVE_SHARE * server.max_connections)
    if large and server.provider:
        yield step(
            f"Count with {server.ordinary_capacity} slots for applications, or take a larger max_connections",
            f"{total} of {server.max_connections} are reserved, most of them by {server.provider} for its own agents",
        )
    else:
        yield from _reserves(case, large)
    if server.version_num >= 160_000:
        yield from _grant(case)


def way_in(case: Case) -> Iterator[Remedy]:
    """Next time it is full somebody should be able to look: slots that applications can't take (16 and newer)."""
    server = case.snapshot.server
    if (
        server.provider is None
        and server.version_num >= 160_000
        and case.budget.level in SATURATED
        and not server.reserved
    ):
        yield from _reserves(case, large=False)
        yield from _grant(case)


def _reserves(case: Case, large: bool) -> Iterator[Remedy]:
    """What the two settings should be, where they are not."""
    server = case.snapshot.server
    most = int(server.max_connections * (1 - LEAST_ORDINARY))
    superuser = min(server.superuser_reserved or SUPERUSER_SLOTS, SUPERUSER_SLOTS if large else most, most)
    if superuser != server.superuser_reserved:
        why = (
            f"applications lose what nobody needs: {server.ordinary_capacity} of {server.max_connections} are theirs"
            if server.superuser_reserved
            else f"nobody can log in to end sessions when all {server.max_connections} slots are taken"
        )
        why += f"; now {server.superuser_reserved}"
        yield alter_system(case, "superuser_reserved_connections", str(superuser), Effect.RESTART, why)
    if server.version_num < 160_000 or superuser + MONITOR_SLOTS > most:
        return
    if server.reserved == 0 or (large and server.reserved > MONITOR_SLOTS):
        why = (
            "lets members of pg_use_reserved_connections, a monitor that is no superuser, in when applications have"
            f" taken all other slots; now {server.reserved}"
        )
        yield alter_system(case, "reserved_connections", str(MONITOR_SLOTS), Effect.RESTART, why)


def _grant(case: Case) -> Iterator[Remedy]:
    """The role we are connected as is the monitor, unless it is a superuser."""
    server = case.snapshot.server
    if server.uses_reserved and not server.superuser:
        return
    why = "a reserve is of use only to roles that may use it; asked for at the login"
    if server.superuser:
        text = (
            "Make a role for monitoring that is no superuser, and GRANT pg_use_reserved_connections, pg_monitor to it"
        )
        yield step(text + on_primary(case), why, Effect.NEW_SESSIONS)
        return
    name = identifier(server.role)
    if name is None:
        yield untypable(case, "role", server.role, why)
        return
    yield sql(f"GRANT pg_use_reserved_connections TO {name};", why + on_primary(case), Effect.NEW_SESSIONS)


def authenticating(finding: Finding, case: Case) -> Iterator[Remedy]:
    """Connections that hold a slot before they have a role: nobody's session, so nothing to terminate by name."""
    count = whole(finding, "count")
    oldest = number_in(finding, "oldest_s")
    age = f", the oldest for {oldest:.0f} s" if oldest is not None else ""
    yield step(
        "Find where they come from: ss -tn state established '( sport = :{port} )' on the database's host, or the"
        " firewall's counters; stop port scans and health checks that open a connection and say nothing".replace(
            "{port}", str(case.snapshot.server.port)
        ),
        f"{count} logins have not finished{age}; each holds a slot until it does",
    )
    yield from server_wide(case, "authentication_timeout")
    yield from server_wide(case, "log_connections")
    yield step(
        "Look at what a login waits for: LDAP, RADIUS or PAM in pg_hba.conf, log_hostname and slow DNS, stalled TLS",
        "a slow answer of another service holds a slot of this one",
    )


def walsenders(finding: Finding, case: Case) -> Iterator[Remedy]:
    """Replication is never signalled from here; what is too many is told apart by a look."""
    used, most = whole(finding, "used"), whole(finding, "max")
    yield sql(
        "SELECT pid, usename, application_name, client_addr, state, backend_start, reply_time FROM pg_stat_replication"
        " ORDER BY backend_start;",
        f"{used} of {most} walsenders are in use: which standby or backup is there twice, or does not answer",
    )
    yield step(
        "Stop the standby, backup or subscription that is not needed where it runs",
        "a walsender that is ended from here comes back at once, and a standby may lose its place",
    )
    yield from server_wide(case, "wal_sender_timeout")
    senders = [one for one in case.snapshot.backends if one.walsender]
    named = sorted({one.app for one in senders if one.app})[:5]
    who = f" ({', '.join(shown(name) for name in named)})" if named else ""
    wanted = max(used, most) + max(2, ceil(max(used, most) / 4))
    standbys = "; raise it on standbys first: they must not have less than their primary"
    why = f"{used} are in use{who}, and each base backup takes up to two for a while; now {most}{standbys}"
    yield alter_system(case, "max_wal_senders", str(wanted), Effect.RESTART, why)
