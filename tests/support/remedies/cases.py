"""Cases for every cause, with names that a careless quoting would trip over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Unpack

from pgtop_conn.model.facts import Facts, Override, ServerSetting
from pgtop_conn.model.findings import Case, Cause, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ACTIVE, IN_TRANSACTION, Backend, Database, Role
from tests.support.data.factories import (
    BEGAN,
    NOW,
    make_backend,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields, ServerFields, SettingFields
from tests.support.servers import Connection

#: Roles, databases and applications of every case made here; the first is the one the findings are about.
ROLES = ("we \"ird'; DROP TABLE x; --", "größe 日本 %s{0}", r"[red]\n$1$$")
DATABASES = ('shop "A"; x', "lager größe")
APPS = ('bill\'ing "worker", v*', "puma: cluster worker 0: 17 [shop]")
MONITOR = 'moni"tor x'
ROLE_OIDS = {name: 20_000 + number for number, name in enumerate((*ROLES, MONITOR))}
DATABASE_OIDS = {name: 30_000 + number for number, name in enumerate(DATABASES)}


def session(
    pid: int,
    role: str,
    database: str,
    app: str,
    /,
    *,
    backend_start: float = BEGAN,
    **overrides: Unpack[BackendFields],
) -> Backend:
    """A session of one of the names above, or of any others."""
    fields: BackendFields = {
        "role": role,
        "role_oid": ROLE_OIDS.get(role, 25_000),
        "database": database,
        "database_oid": DATABASE_OIDS.get(database, 35_000),
        "app": app,
    }
    return make_backend(pid, backend_start=backend_start, **(fields | overrides))


def crowd() -> list[Backend]:
    """Sessions of all kinds: 40 idle ones of the first application, some busy ones of the second, one that blocks."""
    idle = [session(100 + n, ROLES[0], DATABASES[0], APPS[0], client=f"10.2.0.{n % 4}") for n in range(40)]
    waiting: BackendFields = {
        "state": ACTIVE,
        "query_start": NOW - 40,
        "wait_event_type": "Lock",
        "wait_event": "transactionid",
        "blocked_by": (300,),
    }
    busy = [session(200 + n, ROLES[1], DATABASES[1], APPS[1], **waiting) for n in range(8)]
    blocker = session(300, ROLES[2], DATABASES[0], "job", state=IN_TRANSACTION, xact_start=NOW - 900)
    holding = [session(400 + n, ROLES[0], DATABASES[0], APPS[0], state=IN_TRANSACTION) for n in range(3)]
    return [make_own(), *idle, *busy, blocker, *holding, make_walsender()]


def make_case(
    backends: Iterable[Backend] | None = None,
    *,
    facts: Facts | None = None,
    ram: int | None = None,
    roles: Sequence[Role] = (),
    databases: Mapping[int, Database] | None = None,
    **server: Unpack[ServerFields],
) -> Case:
    """One poll, observed; `server` overrides fields of the server."""
    rows = list(crowd() if backends is None else backends)
    snapshot = make_snapshot(rows, server=make_server(**server), roles=list(roles), databases=databases)
    observation = Observation(lambda _: {})
    budget = SlotBudget.of(snapshot)
    observation.add(snapshot, budget)
    return Case.of(snapshot, budget, observation, facts or Facts(at=NOW), ram)


def finding(cause: Cause, evidence: Mapping[str, object], sessions: Sequence[int] = ()) -> Finding:
    return Finding(cause, Severity.CRITICAL, "a sentence", evidence, tuple(sessions))


def findings() -> list[Finding]:
    """One for each cause, as the crowd would have it."""
    leaked = range(100, 130)
    pool = {"app": APPS[0], "role": ROLES[0], "database": DATABASES[0]}
    leak = {**pool, "count": 43, "used": 54, "idle_over": 30, "habit_s": 20.0, "clients": 4, "score": 0.9}
    by_app, by_role = {APPS[0]: 3, "job": 1}, {ROLES[0]: 3, ROLES[2]: 1}
    blocker = {"pid": 300, "role": ROLES[2], "app": "job", "database": DATABASES[0], "frees": 8}
    return [
        finding(Cause.LEAK, leak, leaked),
        finding(Cause.LEAK, leak, [*leaked, 400]),
        finding(Cause.TRAFFIC, {"active": 8, "used": 54, "share": 0.15, "by_app": {APPS[1]: 8}}, range(200, 208)),
        finding(Cause.BLOCKER, {**blocker, "state": IN_TRANSACTION, "state_s": 900.0}, [300, *range(200, 208)]),
        finding(Cause.BLOCKER, {**blocker, "pid": 200, "role": ROLES[1], "state": ACTIVE, "state_s": 900.0}, [200]),
        finding(
            Cause.IDLE_IN_TRANSACTION,
            {"count": 4, "oldest_s": 900.0, "aborted": 0, "holds_xmin": 1, "by_app": by_app, "by_role": by_role},
            [300, 400],
        ),
        finding(
            Cause.CLIENT_WAIT,
            {"count": 4, "oldest_s": 60.0, "unread_results": 4, "by_app": by_app, "by_role": by_role},
            [200, 201, 202, 203],
        ),
        finding(Cause.OVERSIZED_POOL, {**pool, "count": 43, "peak_active": 3, "idle_share": 0.9, "watched_s": 90.0}),
        finding(Cause.ROLE_LIMIT, {"name": ROLES[0], "limit": 43, "used": 43, "free": 0}),
        finding(Cause.DATABASE_LIMIT, {"name": DATABASES[0], "limit": 44, "used": 44, "free": 0}),
        finding(Cause.RESERVE, {"superuser_reserved": 0, "reserved": 0, "provider_reserved": {}}),
        finding(Cause.AUTHENTICATING, {"count": 9, "oldest_s": None}),
        finding(Cause.WALSENDERS, {"used": 10, "max": 10}),
        finding(
            Cause.RECONNECT_STORM,
            {"per_second": 12.0, "lifetime_s": 0.4, "by_app": {APPS[1]: 90, APPS[0]: 10}, "restarted_s": None},
        ),
    ]


def sql(remedies: Iterable[Remedy]) -> list[str]:
    """The statements among them."""
    return [one.text for one in remedies if one.kind is RemedyKind.SQL]


def texts(remedies: Iterable[Remedy]) -> str:
    """Everything they say, to look for words in."""
    return "\n".join(f"{one.kind} {one.text} [{one.takes_effect}] {one.why}" for one in remedies)


def setting(name: str, value: str, **overrides: Unpack[SettingFields]) -> ServerSetting:
    """A setting from the configuration file that any user may change."""
    made = ServerSetting(name, value, "", value, "user", "configuration file")
    return replace(made, **overrides)


def facts(*settings: ServerSetting, overrides: Sequence[Override] = ()) -> Facts:
    return Facts(at=NOW, settings={one.name: one for one in settings}, overrides=tuple(overrides))


async def facts_from(connection: Connection) -> Facts:
    """The settings of a real server as they are for everybody."""
    rows = await connection.fetch(
        "SELECT name, setting, coalesce(unit, '') AS unit, current_setting(name) AS shown, context, source,"
        " pending_restart FROM pg_settings"
    )
    settings = [ServerSetting(*(row[key] for key in row.keys())) for row in rows]  # noqa: SIM118 a Record is no mapping
    return facts(*settings)


def ordinary_roles() -> list[Role]:
    return [make_role(oid, name) for name, oid in ROLE_OIDS.items()]
