"""A PgBouncer section from what was observed: every pool, reserve included, within what pools may take together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from pgtop_conn.model.findings import Case, Effect, Remedy, RemedyKind
from pgtop_conn.model.labels.providers import provider_named
from pgtop_conn.model.quoting import bouncer_key, bouncer_value, shown, typable
from pgtop_conn.model.remedies.pools import (
    POOLED_PERCENT,
    WATCHED_ENOUGH_S,
    PoolUse,
    pool_room,
    pool_uses,
    sessions_of,
    shares,
    with_headroom,
)

MOST_RESERVE = 5
LEAST_CLIENTS = 100
#: Roles from one address that look like a pooler there rather than like one application.
MANY_ROLES = 4
POOLERS = ("pgbouncer", "supavisor", "odyssey", "pgcat", "pgpool", "pgagroal", "rds proxy")

RESTRICTIONS = """\
; pool_mode = transaction gives a server connection back after each transaction. Applications must not use what
; belongs to a session: SET (but SET LOCAL), LISTEN, advisory locks of a session, temporary tables, WITH HOLD cursors,
; PREPARE. Prepared statements of a driver need max_prepared_statements (PgBouncer 1.21 and later):
;   max_prepared_statements = 200
; An application that can't do without gets its own line with pool_mode=session."""


@dataclass(frozen=True, slots=True)
class IniSection:
    """One database's line: `connections` is all that its roles may open together, `reserve` not included."""

    database: str
    roles: tuple[tuple[str, int], ...]
    demand: int
    connections: int
    pool_size: int


def pooler_seen(case: Case) -> str | None:
    """Why there seems to be a pooler already; None where nothing tells of one."""
    if case.snapshot.server.pooled:
        return "our own session goes through a pooler"
    roles_at: dict[str, set[str]] = defaultdict(set)
    for backend in sessions_of(case):
        name = next((pooler for pooler in POOLERS if backend.app.lower().startswith(pooler)), None)
        if name is not None:
            return f"an application calls itself {shown(backend.app)}"
        if backend.role.lower() in ("pgbouncer", "rdsproxyadmin", "cloudsqlconnpooladmin"):
            return f"role {shown(backend.role)} is connected"
        if backend.client not in ("", "local"):
            roles_at[backend.client].add(backend.role)
    crowded = max(roles_at, key=lambda client: len(roles_at[client]), default="")
    if crowded and len(roles_at[crowded]) >= MANY_ROLES:
        return f"{len(roles_at[crowded])} roles come from {crowded}"
    return None


def bouncer(case: Case) -> tuple[Remedy, ...]:
    """The section, or what to look at where a pooler seems to be there; () where no application is connected."""
    uses = pool_uses(case)
    if not uses:
        return ()
    room, capacity = pool_room(case), case.budget.capacity
    limit = f"{POOLED_PERCENT} % of {capacity} = {room}"
    seen = pooler_seen(case)
    if seen is not None:
        text = f"Compare the pooler's own numbers: all its pools, reserve included, should stay within {limit} slots"
        why = f"a pooler seems to be there: {seen}; a second one in front of it would only add waiting"
        return (Remedy(RemedyKind.STEP, text, Effect.NOW, why),)
    hidden = sum(use.hidden for use in uses)
    if hidden:
        text = f"Look again as a role that may see what {hidden} sessions do (GRANT pg_monitor), to size a pooler"
        why = (
            f"a pool is sized by the sessions that are active at once, which is hidden from us; pools may take {limit}"
        )
        return (Remedy(RemedyKind.STEP, text, Effect.NOW, why),)
    leaking = sorted({use.pool.app for use in uses if use.leaks})
    uses = tuple(use for use in uses if not use.leaks)
    if not uses:
        text = f"Fix {', '.join(map(shown, leaking))} first: no size can be told from pools that lose their sessions"
        return (Remedy(RemedyKind.STEP, text, Effect.NEW_SESSIONS, f"pools may take {limit} slots"),)
    sections = sections_of(uses, room)
    if sections is None:
        databases = len({use.pool.database for use in uses})
        text = (
            f"A pooler can't serve {databases} databases with {room} connections: pool fewer, or raise max_connections"
        )
        why = f"a pool belongs to one database, and pools may take {limit} slots"
        return (Remedy(RemedyKind.STEP, text, Effect.NOW, why),)
    typed = [section for section in sections if typable(section.database)]
    if not typed:
        text = "A PgBouncer section can't be written: the names of the databases hold characters that can't be typed"
        return (Remedy(RemedyKind.STEP, text, Effect.NOW, "its file is plain text, an entry for each database"),)
    return (_written(case, uses, sections, room, leaking),)


def _written(
    case: Case, uses: tuple[PoolUse, ...], sections: list[IniSection], room: int, leaking: list[str]
) -> Remedy:
    """The section with the arithmetic that its size comes from."""
    reserve = _reserve(sections, room)
    text = "\n".join(
        (
            *_header(case, uses, sections, reserve),
            *_databases(case, sections, reserve),
            *_main(case, uses, sections, reserve),
        )
    )
    total = sum(section.connections + reserve for section in sections)
    why = (
        f"{case.budget.used} sessions hold a slot while at most {sum(use.peak_active for use in uses)} were active at"
        f" once: {total} server connections are enough, and {POOLED_PERCENT} % of {case.budget.capacity} = {room} is"
        " what pools should take"
    )
    if leaking:
        why += f"; without {', '.join(map(shown, leaking))}, whose pools lose sessions and tell no size"
    return Remedy(RemedyKind.PGBOUNCER, text, Effect.NEW_SESSIONS, why)


def sections_of(uses: Iterable[PoolUse], room: int) -> list[IniSection] | None:
    """The share of each database; None where there are more databases than room."""
    peaks: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for use in uses:
        peaks[use.pool.database][use.pool.role] += use.peak_active
    wanted = {
        database: {role: with_headroom(peak) for role, peak in sorted(roles.items())}
        for database, roles in sorted(peaks.items())
    }
    demands = [sum(roles.values()) for roles in wanted.values()]
    given = shares(demands, room)
    if given is None:
        return None
    return [
        IniSection(database, tuple(peaks[database].items()), demand, share, min(share, max(roles.values())))
        for (database, roles), demand, share in zip(wanted.items(), demands, given, strict=True)
    ]


def _reserve(sections: list[IniSection], room: int) -> int:
    """Connections a database may open on top after a client has waited; from what the pools leave."""
    left = room - sum(section.connections for section in sections)
    return min(MOST_RESERVE, left // len(sections))


def _header(case: Case, uses: tuple[PoolUse, ...], sections: list[IniSection], reserve: int) -> list[str]:
    capacity, room = case.budget.capacity, pool_room(case)
    watched = max(use.habit.watched_s for use in uses)
    lines = [f"; computed from {len(uses)} pools, watched for {int(watched)} s"]
    if watched < WATCHED_ENOUGH_S:
        lines.append("; that is short: watch through a busy hour before relying on the numbers")
    provider = provider_named(case.snapshot.server.provider)
    notes = provider.notes if provider is not None else ()
    lines += [f"; {case.snapshot.server.provider}: {note}" for note in notes if "pool" in note.lower()]
    for section in sections:
        roles = ", ".join(f"{shown(role)} {peak}" for role, peak in section.roles)
        lines.append(f"; database {shown(section.database)}: peak of active sessions by role: {roles};")
        cut = f", cut to {section.connections}" if section.connections < section.demand else ""
        lines.append(f";   each a quarter more, two at the least = {section.demand}{cut}; and {reserve} in reserve")
    total = sum(section.connections + reserve for section in sections)
    sums = " + ".join(f"({section.connections} + {reserve})" for section in sections)
    lines.append(
        f"; together {sums} = {total} <= {room} = {POOLED_PERCENT} % of the {capacity} slots of ordinary roles"
    )
    return lines


def _databases(case: Case, sections: list[IniSection], reserve: int) -> list[str]:
    server = case.snapshot.server
    lines = ["[databases]"]
    for number, section in enumerate(sections, 1):
        if not typable(section.database):
            lines.append(f"; {shown(section.database)} is left out: its name holds characters that can't be typed")
            continue
        key = bouncer_key(section.database, number)
        if key != section.database:
            lines.append(f"; clients connect to {key}: this file can't hold the name {shown(section.database)}")
        lines.append(
            f"{key} = host={bouncer_value(server.host)} port={server.port} dbname={bouncer_value(section.database)}"
            f" pool_size={section.pool_size} max_db_connections={section.connections + reserve}"
        )
    return lines


def _main(case: Case, uses: tuple[PoolUse, ...], sections: list[IniSection], reserve: int) -> list[str]:
    peak = max(case.budget.used, sum(use.peak for use in uses))
    most = max(LEAST_CLIENTS, ceil(peak * 1.5 / 10) * 10)
    return [
        "[pgbouncer]",
        "; listen_addr, auth_type and auth_file (or auth_query) are yours to add",
        "listen_port = 6432",
        RESTRICTIONS,
        "pool_mode = transaction",
        "; the largest pool above; each database has its own pool_size",
        f"default_pool_size = {max(section.pool_size for section in sections)}",
        f"reserve_pool_size = {reserve}",
        "reserve_pool_timeout = 3",
        f"; {peak} sessions at the peak and half as many again, {LEAST_CLIENTS} at the least",
        f"max_client_conn = {most}",
        "; used with pool_mode = session only",
        "server_reset_query = DISCARD ALL",
        "; what JDBC sends at every login",
        "ignore_startup_parameters = extra_float_digits",
        "",
    ]


SUPABASE = "Supabase"
_SERVICES = frozenset({"authenticator", "supabase_auth_admin", "supabase_storage_admin", "supabase_realtime_admin"})


def supavisor(case: Case) -> tuple[Remedy, ...]:
    """The pool size of Supavisor: 40 % of max_connections beside PostgREST and others, 80 % without."""
    limit = case.budget.max
    served = [one for one in sessions_of(case) if one.role in _SERVICES or one.app.lower().startswith("postgrest")]
    heavy = len(served) * 10 >= limit
    percent = 40 if heavy else 80
    reason = f"PostgREST, Auth and the other services hold {len(served)} of {limit}"
    rule = "which is much" if heavy else "which is little"
    text = (
        f"Set Supavisor's pool size to at most {max(1, limit * percent // 100)} (Database settings, Connection pooling)"
    )
    why = f"{percent} % of max_connections {limit}: {reason}, {rule}; the rule is 40 % beside heavy use, else 80 %"
    return (Remedy(RemedyKind.STEP, text, Effect.NEW_SESSIONS, why),)
