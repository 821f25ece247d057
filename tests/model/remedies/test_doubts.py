"""Where little is known, remedies say so: a short watch, hidden sessions, sessions that are idle on purpose."""

from __future__ import annotations

import pytest

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Cause, RemedyKind
from pgtop_conn.model.remedies.connection_limits import LEAST_UNWATCHED
from pgtop_conn.model.remedies.remedies import remedies_for
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.snapshot import ACTIVE, IN_TRANSACTION
from tests.support.data.factories import NOW, make_hidden, make_role
from tests.support.data.fields import BackendFields
from tests.support.remedies.cases import finding, make_case, session, sql, texts

LISTENER: BackendFields = {"query": "LISTEN news", "query_start": NOW - 901, "state_change": NOW - 900}
POOL = {"app": "web", "role": "web", "database": "shop"}


def test_a_short_watch_is_told_with_every_number_that_it_gave() -> None:
    rows = [session(n, "web", "shop", "web") for n in range(30)]
    said = sizing(make_case(rows, ram=64 << 30))
    assert all("watched for" in f"{one.text} {one.why}" for one in said)


def test_a_short_watch_gives_no_low_limit() -> None:
    rows = [session(n, "web", "shop", "web") for n in range(20)]
    remedies = remedies_for(finding(Cause.LEAK, POOL, range(19)), make_case(rows))
    assert f'ALTER ROLE "web" CONNECTION LIMIT {LEAST_UNWATCHED};' in sql(remedies)
    assert "end what is leaked first, since all of them are refused while it holds 20" in texts(remedies)


def test_what_is_hidden_is_no_reason_for_small_pools() -> None:
    rows = [make_hidden(n, role="web", database="shop", app="web") for n in range(30)]
    said = sizing(make_case(rows, ram=64 << 30))
    assert not {RemedyKind.DRIVER, RemedyKind.PGBOUNCER} & {one.kind for one in said}
    assert "GRANT pg_monitor" in texts(said)
    assert "how many of 30 sessions are active is hidden from us" in texts(said)


def test_listeners_are_no_oversized_pool_and_get_no_size() -> None:
    case = make_case([session(n, "web", "shop", "realtime", **LISTENER) for n in range(60)])
    assert not diagnose(case)
    assert not [one for one in sizing(case) if one.kind is RemedyKind.DRIVER]


def test_a_timeout_that_would_end_listeners_says_so() -> None:
    rows = [session(n, "web", "shop", "web") for n in range(20)]
    rows += [session(50 + n, "web", "shop", "realtime", **LISTENER) for n in range(3)]
    remedies = remedies_for(finding(Cause.LEAK, POOL, range(19)), make_case(rows))
    (timeout,) = (one for one in remedies if "idle_session_timeout" in one.text)
    assert "it would end the 3 sessions that LISTEN, too" in timeout.why


@pytest.mark.parametrize("dumps", [True, False])
def test_a_dump_keeps_its_transaction(dumps: bool) -> None:
    rows = [session(n, "web", "shop", f"job{n % 2}", state=IN_TRANSACTION) for n in range(6)]
    dump = session(9, "web", "shop", "pg_dump", state=IN_TRANSACTION, query_start=NOW - 901, state_change=NOW - 900)
    evidence = {"count": 6, "oldest_s": 900.0, "by_app": {"job0": 3, "job1": 3}, "by_role": {"web": 6}}
    case = make_case([*rows, dump] if dumps else rows)
    remedies = remedies_for(finding(Cause.IDLE_IN_TRANSACTION, evidence, range(6)), case)
    (command,) = [one for one in remedies if one.text.startswith("pgtop-conn kill ")]
    wanted = command.text.partition("pgtop-conn kill ")[2].partition(" --dry-run")[0].strip("'")
    assert not (dumps and parse(wanted).matches(dump, NOW))
    assert ("pg_dump" in wanted) == dumps


def test_a_limit_that_a_leak_has_reached_is_neither_raised_nor_lowered() -> None:
    rows = [
        session(
            n, "web", "shop", "web", backend_start=NOW - 60 * n, query_start=NOW - 60 * n, state_change=NOW - 60 * n
        )
        for n in range(1, 21)
    ]
    case = make_case(rows, roles=[make_role(25_000, "web", connection_limit=20)])
    found = diagnose(case)
    assert [one.cause for one in found] == [Cause.LEAK, Cause.ROLE_LIMIT]
    assert not [text for one in found for text in sql(one.remedies) if "CONNECTION LIMIT" in text]
    assert 'Leave the limit of role "web" at 20: end what is leaked' in texts(found[1].remedies)


def test_what_is_only_suspected_is_not_to_be_ended() -> None:
    rows = [session(n, "web", "shop", "web") for n in range(20)]
    evidence = {**POOL, "verdict": "suspected", "mistake": "not closed", "statement": "ROLLBACK"}
    said = remedies_for(finding(Cause.LEAK, evidence, range(19)), make_case(rows))
    assert "pgtop-conn diagnose --for 60" in texts(said)
    assert "--dry-run" not in texts(said)
    assert "Press l" not in texts(said)
    assert "CONNECTION LIMIT" not in texts(said)


def test_a_limit_whose_sessions_all_work_has_nobody_idle_to_end() -> None:
    rows = [session(n, "web", "shop", "web", state=ACTIVE, query_start=NOW - 2) for n in range(10, 30)]
    limit = {"name": "web", "limit": 20, "used": 20, "free": 0}
    said = remedies_for(finding(Cause.ROLE_LIMIT, limit, range(10, 30)), make_case(rows))
    assert "state:idle" not in texts(said)


def test_a_filter_for_long_statements_matches_those_that_run_now() -> None:
    rows = [session(n, "web", "shop", "web", state=ACTIVE, query_start=NOW - 12) for n in range(10, 30)]
    traffic = {"active": 20, "used": 20, "share": 1.0, "by_app": {"web": 20}}
    said = texts(remedies_for(finding(Cause.TRAFFIC, traffic, range(10, 30)), make_case(rows)))
    assert "app:web state:active query_age>10s," in said
