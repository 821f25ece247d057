"""What remedies say: order, versions, overrides, managed services, standbys, names that can't be typed, drivers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgtop_conn.model.facts import Override
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Case, Cause, Finding, Remedy, RemedyKind
from pgtop_conn.model.quoting import filter_value, identifier, kill_command, literal, typable
from pgtop_conn.model.remedies.drivers import DRIVERS, recognise, settings_text
from pgtop_conn.model.remedies.remedies import REMEDIES, remedies_for
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.snapshot import IN_TRANSACTION, Database
from tests.support.data.factories import NOW, make_backend, make_role, make_walsender
from tests.support.data.fields import RoleFields
from tests.support.remedies.cases import (
    DATABASES,
    ROLES,
    facts,
    finding,
    findings,
    make_case,
    ordinary_roles,
    session,
    setting,
    sql,
    texts,
)

VERSIONS = [major * 10_000 + 4 for major in range(13, 19)]


def of(cause: Cause) -> Finding:
    return next(one for one in findings() if one.cause is cause)


def leak(case: Case) -> tuple[Remedy, ...]:
    return remedies_for(of(Cause.LEAK), case)


def test_every_cause_has_remedies() -> None:
    assert set(REMEDIES) == set(Cause)
    assert {one.cause for one in findings()} == set(Cause)


@pytest.mark.parametrize("version_num", VERSIONS)
@pytest.mark.parametrize("found", findings(), ids=lambda one: one.cause)
def test_they_are_whole_and_begin_with_what_helps_now(found: Finding, version_num: int) -> None:
    remedies = remedies_for(found, make_case(version_num=version_num, superuser_reserved=0, roles=ordinary_roles()))
    assert remedies
    assert len(set(remedies)) == len(remedies)
    for one in remedies:
        assert one.text
        assert one.why
        assert not one.why.endswith(".")
        if one.kind is RemedyKind.SQL:
            assert one.text.endswith(";")
            assert "\n" not in one.text
    order = [one.kind is RemedyKind.STEP or one.takes_effect == "now" for one in remedies]
    assert order[0] or found.cause is Cause.RESERVE
    for name, first in (("idle_session_timeout", 14), ("transaction_timeout", 17), ("reserved_connections", 16)):
        if version_num < first * 10_000:
            assert f"SET {name}" not in texts(remedies)


def test_evidence_that_is_missing_breaks_nothing() -> None:
    for cause in Cause:
        for case in (make_case(), make_case([])):
            remedies_for(finding(cause, {}), case)


@pytest.mark.parametrize("provider", ["AWS RDS", "Google Cloud SQL", "Azure", "IBM Cloud", "Supabase", "Somebody new"])
def test_a_managed_service_has_no_alter_system(provider: str) -> None:
    case = make_case(provider=provider, version_num=170_000, ram=1 << 34, superuser=False, database="shop")
    remedies = [one for found in findings() for one in remedies_for(found, case)] + list(sizing(case))
    assert not [one for one in sql(remedies) if one.startswith("ALTER SYSTEM") or "pg_reload_conf" in one]
    assert any(f"({provider} has no ALTER SYSTEM)" in one.text for one in remedies)
    assert any(one.startswith("ALTER ROLE") for one in sql(remedies))


def test_what_a_provider_has_fixed_is_left_alone() -> None:
    found = of(Cause.TRAFFIC)
    assert "client_connection_check_interval" in texts(remedies_for(found, make_case()))
    azure = make_case(provider="Azure Flexible Server", superuser=False)
    assert "client_connection_check_interval" not in texts(remedies_for(found, azure))
    fixed = make_case(facts=facts(setting("client_connection_check_interval", "0", unit="ms", context="internal")))
    assert "client_connection_check_interval" not in texts(remedies_for(found, fixed))


def test_ibms_function_is_named_and_never_called() -> None:
    said = [one for one in leak(make_case(provider="IBM Cloud")) if "kill_all_connections" in one.text]
    assert [one.kind for one in said] == [RemedyKind.STEP]
    assert "ends every session" in said[0].why
    assert "kill_all_connections" not in texts(leak(make_case()))


def test_a_standby_has_its_catalogs_from_the_primary() -> None:
    for one in leak(make_case(in_recovery=True)):
        if one.text.startswith(("ALTER ROLE", "ALTER DATABASE")):
            assert "run it on the primary" in one.why


def test_who_is_no_superuser_is_told() -> None:
    found = of(Cause.AUTHENTICATING)
    assert "is no superuser: one has to run it" in texts(remedies_for(found, make_case(superuser=False)))


def test_alter_system_that_would_do_nothing_is_not_proposed() -> None:
    found = of(Cause.AUTHENTICATING)
    started = setting("authentication_timeout", "60", unit="s", shown="1min", source="command line", context="sighup")
    said = texts(remedies_for(found, make_case(facts=facts(started))))
    assert "Set authentication_timeout = 15s where the server is started: its command line holds 1min" in said
    closed = make_case(facts=facts(setting("allow_alter_system", "off")))
    assert "in postgresql.conf: allow_alter_system is off" in texts(remedies_for(found, closed))


def test_what_is_set_sensibly_is_not_proposed() -> None:
    settings = [
        setting("idle_session_timeout", "3600000", unit="ms", shown="1h"),
        setting("tcp_keepalives_idle", "120", unit="s"),
    ]
    said = "\n".join(sql(leak(make_case(facts=facts(*settings)))))
    assert "idle_session_timeout" not in said
    assert "tcp_keepalives_idle" not in said
    assert "tcp_user_timeout" in said


def test_who_overrides_it_is_said() -> None:
    own = [Override(ROLES[0], "", "tcp_keepalives_idle", "7200"), Override("", "shop", "tcp_keepalives_idle", "900")]
    off = setting("tcp_keepalives_idle", "7200", unit="s", shown="2h")
    (one,) = (r for r in leak(make_case(facts=facts(off, overrides=own))) if "tcp_keepalives_idle" in r.text)
    assert "now 2h" in one.why
    assert f'role "{ROLES[0]}" (7200)' in one.why
    assert 'database "shop" (900)' in one.why


@pytest.mark.parametrize(
    ("own", "statement"),
    [
        (Override(ROLES[0], "", "idle_session_timeout", "1h"), ""),
        (Override("", DATABASES[0], "idle_session_timeout", "3600000"), ""),
        (Override(ROLES[0], "", "idle_session_timeout", "0"), "ALTER ROLE {role} SET"),
        (Override(ROLES[0], DATABASES[0], "idle_session_timeout", "0"), "ALTER ROLE {role} IN DATABASE {database} SET"),
        (Override("", DATABASES[1], "idle_session_timeout", "1h"), "ALTER ROLE {role} SET"),
    ],
)
def test_the_nearest_setting_of_a_role_counts(own: Override, statement: str) -> None:
    """(role, database) wins over the role, that over the database, that over the server."""
    off = setting("idle_session_timeout", "0", unit="ms")
    found = [one for one in sql(leak(make_case(facts=facts(off, overrides=[own])))) if "idle_session_timeout" in one]
    expected = statement.format(role=identifier(ROLES[0]), database=identifier(DATABASES[0]))
    assert [one.partition(" idle_session_timeout")[0] for one in found] == ([expected] if statement else [])


@pytest.mark.parametrize("attributes", [{"superuser": True}, {"replication": True}, {"replication_member": True}])
def test_protected_roles_are_neither_ended_nor_limited(attributes: RoleFields) -> None:
    roles = [make_role(20_000, ROLES[0], **attributes), make_role(20_002, ROLES[2], **attributes)]
    case = make_case(roles=roles, databases={})
    for cause in (Cause.LEAK, Cause.BLOCKER, Cause.ROLE_LIMIT):
        said = texts(remedies_for(of(cause), case))
        assert "pg_terminate_backend" not in said
        assert f"ALTER ROLE {identifier(ROLES[0])}" not in said
        assert f"ALTER ROLE {identifier(ROLES[2])}" not in said
        assert "pgtop-conn kill" not in said


def test_a_walsender_and_one_without_identity_are_not_ended_by_sql() -> None:
    rows = [make_walsender(7), make_backend(8, backend_start=None, hidden=True)]
    for pid in (7, 8, 9):
        evidence = {"pid": pid, "role": "app", "frees": 2, "state": IN_TRANSACTION, "state_s": 9.0}
        remedies = remedies_for(finding(Cause.BLOCKER, evidence), make_case(rows))
        assert not [one for one in sql(remedies) if "pg_terminate_backend" in one]


def test_a_name_that_cannot_be_typed_gets_no_sql() -> None:
    role, database = "e␛vil", "d\ufffdb"
    rows = [
        make_backend(n, role=role, role_oid=77, database=database, database_oid=88, app="web") for n in range(1, 30)
    ]
    rows += [session(50 + n, "app", "other", "web") for n in range(4)]
    case = make_case(rows, databases={88: Database(88, database, -1)})
    evidence = {"app": "web", "role": role, "database": database}
    remedies = remedies_for(finding(Cause.LEAK, evidence, range(1, 25)), case)
    assert not [one for one in sql(remedies) if role in one or database in one]
    said = texts(remedies)
    assert "its oid is 77" in said
    assert "FROM pg_roles WHERE oid = 77 \\gexec" in said
    assert "its oid is 88" in said


def test_a_limit_leaves_room_for_what_is_healthy_and_goes_no_further_than_slots_do() -> None:
    case = make_case(roles=ordinary_roles())
    (statement,) = (one for one in sql(leak(case)) if one.startswith("ALTER ROLE") and "LIMIT" in one)
    assert statement.endswith("CONNECTION LIMIT 17;")  # 43 sessions, 30 of them leaked; 13 and a quarter more.
    assert "a limit ends no session" in texts(leak(case))
    kept = make_case(roles=[make_role(20_000, ROLES[0], connection_limit=14)])
    assert not [one for one in sql(leak(kept)) if one.startswith("ALTER ROLE") and "LIMIT" in one]
    full = make_case([session(n, ROLES[0], DATABASES[0], "web") for n in range(97)])
    evidence = {"name": ROLES[0], "limit": 97, "used": 97, "free": 0}
    assert "the server has no slots" in texts(remedies_for(finding(Cause.ROLE_LIMIT, evidence), full))


def test_a_limit_of_zero_may_be_on_purpose() -> None:
    evidence = {"name": "app", "limit": 0, "used": 0, "free": 0}
    remedies = remedies_for(finding(Cause.ROLE_LIMIT, evidence), make_case())
    assert sql(remedies) == ['ALTER ROLE "app" CONNECTION LIMIT 2;']
    assert "on purpose" in texts(remedies)


@pytest.mark.parametrize("most", [3, 4, 8, 100])
def test_a_reserve_leaves_half_of_the_slots_to_applications(most: int) -> None:
    case = make_case([], max_connections=most, superuser_reserved=0, version_num=180_000)
    values = [int(one.split("'")[1]) for one in sql(remedies_for(of(Cause.RESERVE), case)) if "ALTER SYSTEM" in one]
    assert values
    assert 2 * sum(values) <= most


@pytest.mark.parametrize(
    ("superuser", "reserved", "expected"),
    [(40, 0, {"superuser": "3", "reserved": "2"}), (3, 40, {"reserved": "2"}), (3, 2, {}), (0, 40, {"superuser": "3"})],
)
def test_reserves_that_are_too_large_become_smaller(superuser: int, reserved: int, expected: dict[str, str]) -> None:
    case = make_case([], superuser_reserved=superuser, reserved=reserved, version_num=180_000)
    said = "".join(sql(remedies_for(of(Cause.RESERVE), case)))
    for name, full_name in (("superuser", "superuser_reserved_connections"), ("reserved", "reserved_connections")):
        if name in expected:
            assert f"SET {full_name} = '{expected[name]}'" in said
        elif superuser:
            assert f"SET {full_name} =" not in said


def test_a_providers_reserve_is_its_own() -> None:
    case = make_case([], superuser_reserved=10, reserved=5, max_connections=50, provider="Azure Flexible Server")
    assert "Count with 35 slots for applications" in texts(remedies_for(of(Cause.RESERVE), case))


def test_a_limit_counts_what_a_filter_has_hidden() -> None:
    case = make_case(roles=ordinary_roles())
    narrowed = replace(case, clients=case.clients[:5])
    assert sql(leak(narrowed)) == sql(leak(case))


def test_many_small_pools_together() -> None:
    evidence = {"app": None, "role": None, "database": None, "count": 40, "peak_active": 2, "watched_s": 60.0}
    rows = [session(n, f"r{n % 2}", "shop", f"job{n % 4}") for n in range(40)]
    said = texts(remedies_for(finding(Cause.OVERSIZED_POOL, evidence), make_case(rows)))
    assert "the pools of the largest applications" in said
    assert all(f"job{n}" in said for n in range(4))


@pytest.mark.parametrize(
    "name", ["web", 'a "b"', "it's", "a,b", "x:y", "", "!z", "a b", "日本", "back\\slash", "$(id)"]
)
def test_the_filter_of_a_kill_finds_the_application_alone(name: str) -> None:
    wanted = parse(f"app:{filter_value(name)}")
    assert wanted.matches(make_backend(1, app=name), NOW)
    assert not wanted.matches(make_backend(2, app=name + "x"), NOW)
    assert kill_command(f"app:{filter_value(name)}").endswith(" --dry-run")


def test_quoting() -> None:
    assert identifier('a"b') == '"a""b"'
    assert identifier("") is None
    assert literal("a'b\\") == "'a''b\\'"
    assert [typable(name) for name in ("a", "a\ufffd", "a␀", "a␡", "")] == [True, False, False, False, False]


@pytest.mark.parametrize(
    ("app", "query", "name"),
    [
        ("PostgreSQL JDBC Driver", "", "HikariCP (JDBC)"),
        ("puma: cluster worker 1: 17 [shop]", "", "Rails (ActiveRecord)"),
        ("sidekiq 7.1 shop [0 of 5 busy]", "", "Rails (ActiveRecord)"),
        ("bin/rails", "", "Rails (ActiveRecord)"),
        ("node", "", "node-postgres"),
        ("", "ROLLBACK", "SQLAlchemy"),
        ("", "select pg_catalog.version()", "SQLAlchemy"),
        ("", 'SELECT "django_session"."session_key" FROM "django_session"', "Django"),
        ("api", "-- ping", "Go database/sql (pgx, lib/pq)"),
        ("", "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;", "asyncpg"),
        ("", "DEALLOCATE pdo_stmt_00000002", "PHP (PDO)"),
        ("shop Npgsql", "", "Npgsql"),
        ("billing", "SELECT 1", None),
        ("", "", None),
    ],
)
def test_drivers_are_recognised(app: str, query: str, name: str | None) -> None:
    driver = recognise(app, [make_backend(n, app=app, query=query) for n in range(3)])
    assert (driver.name if driver else None) == name


def test_one_odd_session_tells_no_driver() -> None:
    rows = [make_backend(1, query="ROLLBACK"), *(make_backend(n, query="SELECT 1") for n in range(2, 6))]
    assert recognise("web", rows) is None


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda one: one.name)
@pytest.mark.parametrize("size", [1, 2, 12])
def test_settings_of_every_driver_are_filled_in(driver: Any, size: int) -> None:
    text = settings_text(driver, size)
    assert str(size) in text or driver.name == "SQLAlchemy"
    assert "{size}" not in text
    assert driver.options


def test_unknown_drivers_share_one_remedy() -> None:
    rows = [session(n, "app", "shop", f"job{n % 3}") for n in range(30)]
    drivers = [one for one in sizing(make_case(rows)) if one.kind is RemedyKind.DRIVER]
    assert len(drivers) == 1
    assert all(name in drivers[0].text for name in ("job0", "job1", "job2", "maximumPoolSize", "pool_recycle"))
