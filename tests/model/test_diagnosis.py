"""The causes, each alone and in pairs: what is found, its evidence, its severity and its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.causes.lock_waits import PREPARED
from pgtop_conn.model.diagnosis import CAUSES, diagnose
from pgtop_conn.model.facts import NO_FACTS, Facts, RefusedLogins
from pgtop_conn.model.findings import Cause, Finding, Severity
from pgtop_conn.model.slots import Level, SlotBudget
from pgtop_conn.model.snapshot import (
    ABORTED,
    IN_TRANSACTION,
    Backend,
    Counters,
    Database,
    Role,
    Snapshot,
)
from pgtop_conn.view.findings import evidence
from tests.support.data.diagnosed_server import (
    active,
    case_of,
    causes,
    in_transaction,
    leaked,
    logins,
    of,
    piled_up,
    pool,
)
from tests.support.data.factories import (
    DATABASE_OID,
    NOW,
    make_backend,
    make_hidden,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields
from tests.support.data.strategies import snapshots

#: As findings.Cause documents them.
EVIDENCE = {
    Cause.LEAK: {
        *("app", "role", "database", "count", "used", "per_minute", "idle_over_s", "idle_over", "statement"),
        *("statement_share", "never_queried", "oldest_idle_s", "habit_s", "clients", "score"),
        *("verdict", "mistake", "since_s", "passed_over", "sessions", "in_transaction", "unread_results", "watched_s"),
    },
    Cause.TRAFFIC: {"active", "used", "share", "by_app"},
    Cause.BLOCKER: {"pid", "role", "app", "database", "frees", "state", "state_s", "statement"},
    Cause.CLIENT_WAIT: {"count", "oldest_s", "unread_results", "by_app", "by_role"},
    Cause.IDLE_IN_TRANSACTION: {"leaked", "count", "oldest_s", "aborted", "holds_xmin", "by_app", "by_role"},
    Cause.OVERSIZED_POOL: {
        *("app", "role", "database", "count", "peak_active", "idle_share", "watched_s", "reused", "clients"),
    },
    Cause.ROLE_LIMIT: {"name", "limit", "used", "free"},
    Cause.DATABASE_LIMIT: {"name", "limit", "used", "free"},
    Cause.RESERVE: {"superuser_reserved", "reserved", "provider_reserved", "max_connections"},
    Cause.AUTHENTICATING: {"count", "oldest_s"},
    Cause.WALSENDERS: {"used", "max"},
    Cause.RECONNECT_STORM: {"per_second", "lifetime_s", "by_app", "restarted_s"},
}


def test_a_healthy_server() -> None:
    assert of(pool(20), active(5), in_transaction(4, for_s=0.2), logins(1, 0.1), [make_walsender()]) == ()


def test_a_leak() -> None:
    (found,) = of(leaked(30))
    assert (found.cause, found.severity) == (Cause.LEAK, Severity.WARNING)
    assert found.evidence["app"] == "billing-worker"
    assert set(found.sessions) <= set(range(8000, 8030))
    assert found.weight == len(found.sessions) > 20


def test_traffic() -> None:
    found = of(active(70), active(10, 6500, "web"), pool(12))
    assert (found[0].cause, found[0].severity) == (Cause.TRAFFIC, Severity.CRITICAL)
    assert found[0].evidence["by_app"] == {"checkout": 70, "web": 10}
    assert found[0].summary.startswith("80 of 93 slots in use do work at this moment (86 %): checkout 70, web 10")
    assert of(active(40)) == ()


def test_who_waits_for_a_lock_or_for_its_client_does_no_work() -> None:
    found = of(piled_up(60), active(20, 6500, wait_event_type="Client", wait_event="ClientWrite"))
    assert Cause.TRAFFIC not in causes(found)


def test_a_pile_up() -> None:
    (found,) = of(piled_up(43))
    assert found.summary == "terminating 4711 (app, nightly-report, idle in transaction for 3 min) frees 43 waiters"
    assert found.evidence["frees"] == 43
    assert found.evidence["statement"] == "UPDATE orders SET status = ? WHERE id = ?"
    assert found.sessions[0] == 4711
    assert len(found.sessions) == 44
    assert found.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("waiters", "for_s", "severity"),
    [(43, 0.1, None), (2, 5.0, None), (2, 15.0, Severity.WARNING), (4, 3.0, Severity.WARNING)],
)
def test_locks_are_waited_for_on_every_server(waiters: int, for_s: float, severity: Severity | None) -> None:
    found = {one.cause: one.severity for one in of(piled_up(waiters, for_s=for_s))}
    assert found.get(Cause.BLOCKER) is severity


def test_a_transaction_that_only_a_few_wait_for_is_named_all_the_same() -> None:
    (found,) = of(piled_up(2, for_s=5.0))
    assert (found.cause, found.severity, found.sessions) == (Cause.IDLE_IN_TRANSACTION, Severity.WARNING, (4711,))


def test_a_prepared_transaction_that_blocks() -> None:
    (found,) = of(piled_up(5, holder=PREPARED)[1:])
    assert "a prepared transaction holds up 5 sessions" in found.summary
    assert PREPARED not in found.sessions
    assert found.evidence["pid"] is None
    assert "pid" not in dict(evidence(found))


def test_two_that_block_the_same() -> None:
    first, *waiters = piled_up(6)
    both = [replace(waiter, blocked_by=(4711, 4712)) for waiter in waiters]
    (found, *_) = of([first, make_backend(4712)], both)
    assert found.cause is Cause.BLOCKER
    assert "and 1 other hold up 6 sessions between them; terminating it alone frees none" in found.summary


def test_idle_in_transaction() -> None:
    (found,) = of(in_transaction(16), in_transaction(2, 7900, for_s=95.0, state=ABORTED, holds_xmin=True))
    assert found.cause is Cause.IDLE_IN_TRANSACTION
    assert dict(found.evidence) | {"oldest_s": 0} == {
        "count": 18,
        "oldest_s": 0,
        "aborted": 2,
        "holds_xmin": 2,
        "leaked": 0,
        "by_app": {"orders-api": 18},
        "by_role": {"app": 18},
    }
    assert found.evidence["oldest_s"] == 95.0
    assert "the oldest for 1 min, 2 aborted, 2 hold back vacuum" in found.summary


@pytest.mark.parametrize(
    ("count", "for_s", "told"), [(3, 4.0, False), (3, 6.0, True), (1, 50.0, False), (1, 70.0, True)]
)
def test_open_transactions_count_after_a_while(count: int, for_s: float, told: bool) -> None:
    assert bool(of(in_transaction(count, for_s=for_s))) is told


def test_open_transactions_of_a_leak_are_counted_with_the_others() -> None:
    """Eight were named and the oldest for 35 s, where 24 were open and the oldest for 91 s."""
    lost = leaked(16, every_s=5.0, state=IN_TRANSACTION, query="UPDATE invoices SET seen = true")
    found = {one.cause: one for one in of(lost, in_transaction(8, for_s=35.0))}
    assert set(found) == {Cause.LEAK, Cause.IDLE_IN_TRANSACTION}
    evidence = found[Cause.IDLE_IN_TRANSACTION].evidence
    assert (evidence["count"], evidence["oldest_s"]) == (24, 80.0)
    assert evidence["leaked"] == len(found[Cause.LEAK].sessions)


def waiting(
    count: int, event: str = "ClientWrite", for_s: float = 30.0, **overrides: Unpack[BackendFields]
) -> list[Backend]:
    """In the middle of a result that nobody reads."""
    wait: BackendFields = {
        "wait_event_type": "Client",
        "wait_event": event,
        "query_start": NOW - for_s,
        "state_change": NOW - for_s,
    }
    return active(count, 6700, "reports", **(wait | overrides))


def test_sessions_that_wait_for_their_client_in_the_middle_of_a_result() -> None:
    (found,) = of(waiting(4), waiting(2, event="ClientRead")[:0])
    assert (found.cause, found.severity) == (Cause.CLIENT_WAIT, Severity.WARNING)
    assert found.summary == (
        "4 sessions wait for their client in the middle of a statement, the longest for 30 s: reports 4"
    )
    assert (found.evidence["count"], found.evidence["unread_results"]) == (4, 4)
    assert any("read each result to its end" in remedy.text for remedy in found.remedies)
    assert any("wait:Client query_age>10s" in remedy.text for remedy in found.remedies)


def test_copy_is_at_the_pace_of_its_client() -> None:
    assert of(waiting(6, query="COPY invoices TO STDOUT")) == ()
    assert of(waiting(6, for_s=2.0)) == ()


def test_a_dump_keeps_its_transaction_open_on_purpose() -> None:
    assert of(in_transaction(4, for_s=900.0, app="pg_dump", holds_xmin=True)) == ()


def watched(*groups: list[Backend], over_s: float = 20.0, roles: Sequence[Role] = ()) -> tuple[Finding, ...]:
    """The diagnosis of sessions that stay as they are for so long."""
    rows = [make_own(), *(backend for group in groups for backend in group)]
    before = make_snapshot(rows, roles=roles, taken_at=NOW - over_s)
    return diagnose(case_of(before, make_snapshot(rows, roles=roles)))


def test_an_oversized_pool_by_what_was_busy() -> None:
    found = watched(pool(48, app="catalogue"), active(2, app="catalogue"))
    assert causes(found) == [Cause.OVERSIZED_POOL]
    assert found[0].severity is Severity.INFO
    assert (found[0].evidence["count"], found[0].evidence["peak_active"]) == (50, 2)
    assert "holds 50 of 51 slots in use, at most 2 of them busy at once in 20 s" in found[0].summary
    assert watched(pool(20), active(1, app="web")) == ()
    assert watched(pool(30), active(18, app="web")) == ()


def test_an_oversized_pool_at_one_look() -> None:
    assert causes(of(pool(90, query_start=NOW - 301, state_change=NOW - 300))) == [Cause.OVERSIZED_POOL]
    assert of(pool(90)) == ()


def test_many_small_pools_that_fill_a_server_together() -> None:
    groups = [pool(4, 5000 + 10 * n, app=f"service-{n}") for n in range(24)]
    (found,) = watched(*groups)
    assert (found.cause, found.severity) == (Cause.OVERSIZED_POOL, Severity.CRITICAL)
    assert found.evidence["app"] is None
    assert found.summary.startswith("24 pools together hold 96 of 97 slots in use")


def limited(limit: int) -> list[Role]:
    return [make_role(20_000, "limited", connection_limit=limit)]


def of_limited(used: int, limit: int, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
    return of(pool(used, role="limited", role_oid=20_000), facts=facts, roles=limited(limit))


def test_a_role_at_its_limit() -> None:
    (found,) = of_limited(6, 6)
    assert (found.cause, found.severity, found.weight) == (Cause.ROLE_LIMIT, Severity.WARNING, 6)
    assert found.evidence == {"name": "limited", "limit": 6, "used": 6, "free": 0}
    assert found.summary.endswith(
        "holds 6 of the 6 sessions that its CONNECTION LIMIT allows: the next login is refused"
    )
    assert found.sessions == tuple(range(5000, 5006))


@pytest.mark.parametrize(
    ("used", "limit", "severity"),
    [(5, 6, Severity.INFO), (4, 6, None), (1, 2, None), (0, 0, None), (2, 0, Severity.INFO), (1, 1, Severity.WARNING)],
)
def test_limits_nearly_reached_and_closed_doors(used: int, limit: int, severity: Severity | None) -> None:
    found = of_limited(used, limit)
    assert [one.severity for one in found] == ([severity] if severity else [])


def test_a_limit_that_the_log_tells_refusals_of_hurts() -> None:
    facts = Facts(at=NOW, refused=(RefusedLogins(NOW - 1800, "role", 12),))
    assert of_limited(6, 6, facts=facts)[0].severity is Severity.CRITICAL
    stale = Facts(at=NOW, refused=(RefusedLogins(NOW - 36_000, "role", 12), RefusedLogins(NOW, "full", 3)))
    assert of_limited(6, 6, facts=stale)[0].severity is Severity.WARNING


def test_a_database_at_its_limit() -> None:
    (found,) = of(pool(6), databases={DATABASE_OID: Database(DATABASE_OID, "shop", 7)})
    assert (found.cause, found.evidence["used"], found.severity) == (Cause.DATABASE_LIMIT, 7, Severity.WARNING)


def test_hidden_sessions_under_a_limit_are_an_upper_bound() -> None:
    rows = [make_hidden(pid, role="limited", role_oid=20_000) for pid in range(5000, 5006)]
    server = make_server(superuser=False, sees_all=False)
    (found,) = of(rows, server=server, counted_used=7, roles=limited(6))
    assert "up to 6 of the 6" in found.summary


def test_what_is_hidden_is_neither_idle_nor_active() -> None:
    rows = [make_hidden(pid) for pid in range(5000, 5090)]
    server = make_server(superuser=False, sees_all=False)
    assert of(rows, server=server, counted_used=91) == ()
    found = of(rows, in_transaction(3), server=server, counted_used=94)
    assert found[0].summary.endswith("what 90 more sessions do is hidden from us")


def test_no_reserve_for_the_superuser() -> None:
    server = make_server(superuser_reserved=0, max_connections=30)
    (found,) = of(pool(10), server=server)
    assert (found.cause, found.severity) == (Cause.RESERVE, Severity.WARNING)
    (found,) = of(pool(29), server=server)
    assert (found.cause, found.severity) == (Cause.RESERVE, Severity.CRITICAL)


def test_reserves_that_nobody_may_use_or_that_are_large() -> None:
    (found,) = of(server=make_server(reserved=5))
    assert "reserved_connections keeps 5 slots free" in found.summary
    agent = make_role(20_001, "agent", uses_reserved=True)
    assert of(server=make_server(reserved=5), roles=[agent]) == ()
    assert of(server=make_server(reserved=5, provider="azure")) == ()
    (found,) = of(server=make_server(superuser_reserved=10, max_connections=30))
    assert (found.severity, "10 of 30 slots are reserved" in found.summary) == (Severity.INFO, True)
    assert of(server=make_server(max_connections=10)) == ()


def test_logins_that_never_finish() -> None:
    (found,) = of(logins(14, age_s=30.0))
    assert (found.cause, found.severity) == (Cause.AUTHENTICATING, Severity.WARNING)
    assert found.evidence == {"count": 14, "oldest_s": 30.0}
    assert of(logins(14, age_s=0.5)) == ()
    assert of(logins(2, age_s=30.0)) == ()
    (found,) = of(authenticating=14)
    assert (found.evidence, found.sessions) == ({"count": 14, "oldest_s": None}, ())


def test_walsenders() -> None:
    rows = [make_walsender(pid) for pid in range(300, 304)]
    (found,) = of(rows, server=make_server(max_wal_senders=4))
    assert (found.cause, found.severity, found.evidence) == (Cause.WALSENDERS, Severity.WARNING, {"used": 4, "max": 4})
    assert of(rows, server=make_server(max_wal_senders=5)) == ()


def counters(at: float, opened: int | None) -> Counters:
    return Counters(at, opened, 0, 0, 0, transactions=10_000 + int(at - NOW), numbackends=10)


def test_a_reconnect_storm() -> None:
    crowd = [make_own(), *pool(9), *pool(3, 5500, app="thumbnails", backend_start=NOW - 0.2)]
    before = make_snapshot(crowd[:-3], taken_at=NOW - 10, counters=counters(NOW - 10, 1000))
    (found,) = diagnose(case_of(before, make_snapshot(crowd, counters=counters(NOW, 1250))))
    assert (found.cause, found.severity) == (Cause.RECONNECT_STORM, Severity.WARNING)
    assert found.evidence["per_second"] == 25.0
    assert found.evidence["by_app"] == {"thumbnails": 3}
    assert found.evidence["restarted_s"] is None
    assert len(found.sessions) == 3


def test_a_storm_beside_a_leak_is_told_of_who_comes_and_goes() -> None:
    def poll(second: int) -> Snapshot:
        """One session of each second is lost, and two others began for a moment; the last poll meets none of them."""
        at = NOW - 30 + second
        lost = [one for one in leaked(30, every_s=1.0) if (one.key.backend_start or NOW) <= at]
        passing = pool(2, 5000 + 10 * second, app="cron", backend_start=at - 0.1) if second % 10 == 5 else []
        return make_snapshot([make_own(), *lost, *passing], taken_at=at, counters=counters(at, 1000 + 12 * second))

    found = diagnose(case_of(*map(poll, range(31))))
    assert causes(found) == [Cause.LEAK, Cause.RECONNECT_STORM]
    assert found[1].evidence["by_app"] == {"cron": 6}
    assert not set(found[0].sessions) & set(found[1].sessions)


def test_sessions_that_begin_and_stay_are_no_storm() -> None:
    crowd = [make_own(), *pool(60, backend_start=NOW - 5)]
    before = make_snapshot(crowd[:1], taken_at=NOW - 10, counters=counters(NOW - 10, 1000))
    found = diagnose(case_of(before, make_snapshot(crowd, counters=counters(NOW, 1062))))
    assert Cause.RECONNECT_STORM not in causes(found)


def test_a_storm_where_the_server_does_not_count() -> None:
    polls = [
        make_snapshot(
            [make_own(), *pool(6, 5000 + 10 * n, app="thumbnails", backend_start=NOW - 10 + n - 0.1)],
            taken_at=NOW - 10 + n,
            counters=counters(NOW - 10 + n, None),
        )
        for n in range(11)
    ]
    (found,) = diagnose(case_of(*polls))
    assert (found.cause, found.evidence["per_second"]) == (Cause.RECONNECT_STORM, 6.0)


def test_everybody_is_back_after_a_restart() -> None:
    before = make_snapshot([make_own(), *pool(25)], taken_at=NOW - 20, server=make_server(started_at=NOW - 9000))
    back = pool(25, 5500, backend_start=NOW - 8.5)
    (found,) = diagnose(case_of(before, make_snapshot([make_own(), *back], server=make_server(started_at=NOW - 9))))
    assert (found.cause, found.evidence["restarted_s"]) == (Cause.RECONNECT_STORM, 9.0)
    assert diagnose(case_of(make_snapshot([make_own(), *back], server=make_server(started_at=NOW - 9)))) == ()


def test_of_two_causes_the_one_that_explains_more_is_first() -> None:
    assert causes(of(leaked(60), piled_up(32)))[:2] == [Cause.LEAK, Cause.BLOCKER]
    assert causes(of(leaked(32), piled_up(60)))[:2] == [Cause.BLOCKER, Cause.LEAK]


def test_a_blocker_is_not_said_to_be_idle_in_transaction_a_second_time() -> None:
    assert causes(of(piled_up(12))) == [Cause.BLOCKER]
    found = of(piled_up(12), in_transaction(4))
    assert causes(found) == [Cause.BLOCKER, Cause.IDLE_IN_TRANSACTION]
    assert 4711 not in found[1].sessions


def test_a_leak_that_fills_a_role_comes_before_the_limit_and_is_as_severe() -> None:
    rows = leaked(30, role="limited", role_oid=20_000)
    facts = Facts(at=NOW, refused=(RefusedLogins(NOW - 1800, "role", 12),))
    found = of(rows, facts=facts, roles=limited(30))
    assert [(one.cause, one.severity) for one in found] == [
        (Cause.LEAK, Severity.CRITICAL),
        (Cause.ROLE_LIMIT, Severity.CRITICAL),
    ]


def test_a_pool_that_fills_a_role_is_what_the_limit_is_for() -> None:
    rows = pool(50, role="limited", role_oid=20_000)
    found = watched(rows, roles=[make_role(20_000, "limited", connection_limit=50)])
    assert [(one.cause, one.severity, one.weight) for one in found] == [
        (Cause.ROLE_LIMIT, Severity.WARNING, 50),
        (Cause.OVERSIZED_POOL, Severity.INFO, 50),
    ]


def test_leaked_sessions_are_no_oversized_pool() -> None:
    found = of(leaked(95))
    assert causes(found) == [Cause.LEAK]
    assert found[0].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("count", "level", "severity"),
    [(20, Level.OK, Severity.WARNING), (78, Level.WARNING, Severity.WARNING), (96, Level.FULL, Severity.CRITICAL)],
)
def test_the_level_of_the_server_makes_a_cause_severe(count: int, level: Level, severity: Severity) -> None:
    rows = in_transaction(count)
    assert SlotBudget.of(make_snapshot([make_own(), *rows])).level is level
    assert [one.severity for one in of(rows)] == [severity]


def test_every_cause_has_its_function_and_the_evidence_that_is_documented() -> None:
    assert set(CAUSES) == set(Cause) == set(EVIDENCE)
    seen = [
        *of(leaked(30), piled_up(12), in_transaction(4), logins(5, 9.0), server=make_server(superuser_reserved=0)),
        *of(active(95)),
        *of_limited(6, 6),
        *of(pool(6), databases={DATABASE_OID: Database(DATABASE_OID, "shop", 7)}),
        *of([make_walsender()], server=make_server(max_wal_senders=1)),
        *watched(pool(60)),
        *of(waiting(4)),
    ]
    for finding in seen:
        assert EVIDENCE[finding.cause] <= finding.evidence.keys(), finding.cause
        if finding.cause is not Cause.LEAK:
            assert EVIDENCE[finding.cause] == finding.evidence.keys()
        json.dumps(dict(finding.evidence), allow_nan=False)
    assert len({finding.cause for finding in seen}) == len(Cause) - 1


def test_long_names_are_cut_in_a_summary() -> None:
    found = of(in_transaction(4, app="x" * 200))
    assert len(found[0].summary) < 200
    assert found[0].evidence["by_app"] == {"x" * 200: 4}


@settings(deadline=None)
@given(st.lists(snapshots(), min_size=1, max_size=3))
def test_whatever_a_server_shows(polls: list[Snapshot]) -> None:
    case = case_of(*polls)
    found = diagnose(case)
    listed = {backend.pid for backend in case.snapshot.backends}
    ranks = [(list(Severity).index(one.severity), -one.weight, list(CAUSES).index(one.cause)) for one in found]
    assert ranks == sorted(ranks)
    for one in found:
        assert set(one.sessions) <= listed
        assert len(set(one.sessions)) == len(one.sessions)
        assert "\n" not in one.summary
        json.dumps(dict(one.evidence))
