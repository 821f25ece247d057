"""What is called a leak, and above all what is not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import ABORTED, ACTIVE, DISABLED, IDLE, IN_TRANSACTION, Backend, Server, Snapshot
from pgtop_conn.view.table.groups import group_counts
from tests.support.data.factories import (
    NOW,
    ROOMY,
    make_backend,
    make_hidden,
    make_server,
    make_walsender,
    poll,
)
from tests.support.data.leaked_sessions import LEAKED, lost, session

#: All sessions at so many seconds after NOW.
Play = Callable[[float], list[Backend]]


def silent(pid: int, began_s: float) -> Backend:
    """Never ran anything."""
    return session(pid, began_s, query_start=None, query="", state_change=NOW + began_s)


def seen_once(rows: Iterable[Backend], server: Server = ROOMY) -> tuple[Observation, Snapshot]:
    """A single poll."""
    observation, snapshot = Observation(group_counts), poll(rows, server=server)
    observation.add(snapshot, SlotBudget.of(snapshot))
    return observation, snapshot


def at_once(rows: Iterable[Backend], server: Server = ROOMY) -> tuple[Leak, ...]:
    """What a single poll proves."""
    observation, snapshot = seen_once(rows, server)
    return observation.leaks(snapshot)


def suspected_at_once(rows: Iterable[Backend]) -> tuple[Leak, ...]:
    """What a single poll leaves open."""
    observation, snapshot = seen_once(rows)
    return observation.suspects(snapshot)


def watched(play: Play, seconds: float, every_s: float = 1.0, server: Server = ROOMY) -> tuple[Leak, ...]:
    """After watching for so long."""
    observation = Observation(group_counts)
    known: dict[object, Backend] = {}
    snapshot = poll([], server=server)
    for step in range(int(seconds / every_s) + 1):
        rows = [_same(known.get(row.key), row) for row in play(step * every_s)]
        known = {row.key: row for row in rows}
        snapshot = poll(rows, step * every_s, server)
        observation.add(snapshot, SlotBudget.of(snapshot))
    observation.refresh(snapshot)
    return observation.leaks(snapshot)


def _same(before: Backend | None, row: Backend) -> Backend:
    """The object of the last poll where nothing has changed, as the reader gives it."""
    same = before is not None and (before.state_change, before.state) == (row.state_change, row.state)
    return before if before is not None and same else row


def losing(every_s: float, make: Callable[[int, float], Backend] = session) -> Play:
    """One more session every so often, the first at NOW."""
    return lambda now_s: [make(pid, pid * every_s) for pid in range(1, int(now_s / every_s) + 1)]


# What is a leak.


@pytest.mark.parametrize(("every_s", "seconds"), [(0.3, 10.0), (1.0, 60.0), (30.0, 3600.0)])
def test_one_session_more_and_again_one_used_once_and_kept_is_a_leak(every_s: float, seconds: float) -> None:
    (seen,) = watched(losing(every_s), seconds, max(1.0, every_s / 2))
    (told,) = at_once(lost(int(seconds / every_s), every_s))
    assert seen.score > 0.9
    assert told.score > 0.9


def test_its_sentence_gives_the_numbers_and_masks_the_statement() -> None:
    (leak,) = watched(losing(1.0), 60.0)
    assert leak.sentence == (
        "web holds 60 of 61, +60.0/min; 39 idle > 20 s, "
        "all last ran SELECT … FROM invoices WHERE status = ? AND customer = ?"
    )
    assert leak.evidence["statement"] == "SELECT id, total FROM invoices WHERE status = ? AND customer = ?"
    oldest = next(iter(leak.sessions.values()))
    assert oldest == "idle for 58 s; 59 sessions opened since it was last used; same last statement as 57 others"


def test_from_a_single_poll_the_growth_is_said_to_be_told_by_the_start_times() -> None:
    (leak,) = at_once(lost(40, 30.0))
    assert leak.sentence.startswith("web holds 40 of 41, +2.0/min by their start times; ")
    assert leak.evidence["per_minute_estimated"] is True


def test_where_births_have_stopped_nothing_is_said_to_grow() -> None:
    rows = [session(pid, -1200.0 + 2.0 * pid) for pid in range(1, 30)]
    (leak,) = at_once(rows)
    assert leak.sentence.startswith("web holds 29 of 30; ")
    assert leak.evidence["per_minute"] == 0.0


def test_a_leak_of_a_pool_whose_last_statement_is_commit_shows_while_it_is_watched() -> None:
    (leak,) = watched(losing(0.3, lambda pid, at_s: session(pid, at_s, query="COMMIT")), 10.0)
    assert "all last ran COMMIT" in leak.sentence


def test_sessions_that_never_ran_a_query_are_a_leak_when_they_keep_coming() -> None:
    (leak,) = watched(losing(0.3, silent), 10.0)
    assert "never ran a query" in leak.sentence
    assert leak.evidence["never_queried"] == len(leak.sessions)
    assert leak.evidence["statement"] == ""
    assert next(iter(leak.sessions.values())).startswith("never ran a query in 9 s")


@pytest.mark.parametrize("state", [IN_TRANSACTION, ABORTED])
def test_transactions_forgotten_one_after_the_other_are_a_leak(state: str) -> None:
    (leak,) = at_once(lost(20, 0.5, state=state, holds_xmin=state == IN_TRANSACTION))
    assert "idle in transaction > " in leak.sentence
    assert ("hold back vacuum" in leak.sentence) is (state == IN_TRANSACTION)


def test_a_few_transactions_forgotten_for_long_are_one_although_their_sessions_worked_for_days() -> None:
    rows = [session(pid, -90_000, last_s=-900 - pid, state=IN_TRANSACTION, wrote=True) for pid in range(1, 5)]
    (leak,) = at_once([*rows, *busy(10, first=50)])
    assert set(leak.sessions) == {row.key for row in rows}
    assert "its transaction has written" in next(iter(leak.sessions.values()))


def test_a_leak_is_seen_on_a_full_server_although_nothing_can_arrive_any_more() -> None:
    server = make_server(max_connections=64)
    rows = [session(pid, -3600 - 30 * pid) for pid in range(1, 61)]
    (leak,) = at_once(rows, server)
    assert len(leak.sessions) == 60


def test_sessions_of_the_same_pool_that_work_are_not_named() -> None:
    def play(now_s: float) -> list[Backend]:
        workers = [
            session(900 + n, -5.0, last_s=now_s - now_s % (4 + n), query="UPDATE invoices SET sent = true")
            for n in (1, 2)
        ]
        return [*losing(1.0)(now_s), *workers]

    for seconds in (22.0, 30.0, 120.0):
        (leak,) = watched(play, seconds)
        assert {key.pid for key in leak.sessions}.isdisjoint({901, 902})
        assert len(leak.sessions) > 0.5 * seconds


def test_code_paths_are_told_apart_by_query_id_where_there_is_one() -> None:
    (leak,) = at_once(lost(20, 1.0, query_id=-7))
    rows = [replace(row, query=f"SELECT c{row.pid} FROM t{row.pid}", query_id=-7) for row in lost(20, 1.0)]
    (same,) = at_once(rows)
    assert (leak.evidence["statement_share"], same.evidence["statement_share"]) == (1.0, 1.0)


def test_a_leak_that_begins_long_after_the_pool_was_filled_is_seen() -> None:
    warm = [session(900 + pid, -7200 + 0.01 * pid, query="SELECT 1 FROM settings") for pid in range(8)]
    (leak,) = at_once([*warm, *lost(60, 10.0)])
    # The youngest two may still be at work for all that is known.
    assert {key.pid for key in leak.sessions} == set(range(1, 59))


def test_a_leak_in_a_pool_that_was_filled_just_before_is_seen_while_it_is_watched() -> None:
    filled = [session(900 + pid, -0.5 + 0.01 * pid) for pid in range(12)]
    (leak,) = watched(lambda now_s: [*filled, *losing(0.3)(now_s)], 10.0)
    assert leak.score > 0.9


def test_sessions_that_are_used_for_a_while_before_they_are_lost_are_a_leak_at_every_poll() -> None:
    def play(now_s: float) -> list[Backend]:
        return [session(pid, 0.3 * pid, last_s=min(now_s, 0.3 * pid + 0.5)) for pid in range(1, int(now_s / 0.3) + 1)]

    for seconds in (15.0, 15.25, 15.5, 15.75, 16.0):
        assert watched(play, seconds, 0.25)


def test_two_pools_of_one_name_are_told_apart_in_the_sentence() -> None:
    (leak,) = at_once([*lost(30, 1.0), make_backend(900, role="other", role_oid=9)])
    assert leak.sentence.startswith("web (app in shop) holds 30 of 32")


def test_after_most_were_killed_the_rest_goes_on_being_a_leak() -> None:
    def play(now_s: float) -> list[Backend]:
        return [row for row in losing(1.0)(now_s) if row.pid > 50 or now_s < 60]

    assert watched(play, 90.0)


# What is none.


def busy(count: int, first: int = 1, now_s: float = 0.0) -> list[Backend]:
    """Sessions of a pool that are taken up every few seconds, one of them right now."""
    rows = [session(first + n, -3000 - n, last_s=now_s - (n * 0.7) % 5) for n in range(1, count)]
    return [session(first, -3000, last_s=now_s, state=ACTIVE), *rows]


HIKARI_INIT = "SET application_name = 'PostgreSQL JDBC Driver'"
ASYNCPG_RESET = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"


def used_in_turn(query: str, now_s: float, size: int = 15, every_s: float = 0.7) -> list[Backend]:
    """A pool that grew one session at a time, and takes up the one that rested longest."""
    last = int(now_s / every_s)
    return [
        session(pid, -600 + 20 * pid, last_s=(last - (last - pid) % size) * every_s - 0.1, query=query)
        for pid in range(1, size + 1)
    ]


def hikari(query: str, life_s: float = 1800.0, size: int = 40) -> Play:
    """All idle; each is replaced at its own age, so that births are spread."""

    def play(now_s: float) -> list[Backend]:
        rows = []
        for slot in range(size):
            chance = random.Random(slot)
            born_s = -chance.uniform(0, life_s)
            number = 0
            while born_s + life_s <= now_s:
                born_s += life_s - chance.uniform(0, 0.05 * life_s)
                number += 1
            rows.append(session(slot + 1000 * number + 1, born_s, query=query))
        return rows

    return play


def django(threads: int = 20, max_age_s: float = 60.0) -> Play:
    """A session for each thread, replaced at the first request past its age; requests are rare."""

    def play(now_s: float) -> list[Backend]:
        rows = []
        for thread in range(threads):
            chance = random.Random(thread)
            at_s, born_s, last_s, number = -600.0, -600.0, -600.0, 0
            while at_s <= now_s:
                if at_s - born_s > max_age_s:
                    born_s, number = at_s, number + 1
                last_s = at_s
                at_s += chance.expovariate(1 / 40)
            rows.append(session(thread + 1000 * number + 1, born_s, last_s=last_s + 0.02))
        return rows

    return play


def steady(rows: Sequence[Backend]) -> Play:
    return lambda _now_s: list(rows)


HEALTHY: dict[str, Play] = {
    "burst that ran the same SELECT": steady([session(pid, -10 + 0.01 * pid) for pid in range(1, 21)]),
    "burst hours ago": steady([session(pid, -7200 + 0.01 * pid) for pid in range(1, 101)]),
    "burst, in transactions": steady(
        [session(pid, -10 + 0.01 * pid, state=IN_TRANSACTION, holds_xmin=True) for pid in range(1, 21)]
    ),
    "HikariCP": hikari(HIKARI_INIT),
    "HikariCP, empty statement": hikari(""),
    "HikariCP, small and short-lived": hikari("SET extra_float_digits = 3", life_s=30.0, size=10),
    "never-used warm pool": lambda now_s: [
        silent(row.pid, (row.key.backend_start or 0) - NOW) for row in hikari("")(now_s)
    ],
    "SQLAlchemy, oldest first": lambda now_s: used_in_turn("ROLLBACK", now_s),
    "asyncpg": lambda now_s: used_in_turn(ASYNCPG_RESET, now_s),
    "PgBouncer in session mode": lambda now_s: used_in_turn("DISCARD ALL", now_s),
    "spares of one rush": steady([session(pid, -600 + 0.05 * pid, query="ROLLBACK") for pid in range(1, 16)]),
    "instances one after the other": lambda now_s: [
        # A pool of ten each, of which one session is in use.
        session(10 * pod + n, 15.0 * pod - 100.0 + 0.01 * n, last_s=None if n else now_s - 1.0, query="SELECT 1 FROM t")
        for pod in range(int((now_s + 100.0) / 15.0) + 1)
        for n in range(10)
    ],
    "LISTEN": steady([session(pid, -20 * pid, query="LISTEN order_changes") for pid in range(1, 31)]),
    "keepalive": steady([session(pid, -20 * pid, query="/* ping */ SELECT 1") for pid in range(1, 31)]),
    "psql": steady([session(pid, -600 * pid, app="psql") for pid in range(1, 31)]),
    "pg_dump": steady(
        [session(pid, -2000, app="pg_dump", state=IN_TRANSACTION, holds_xmin=True) for pid in range(1, 9)]
    ),
    "our own": steady([session(pid, -10 * pid, app="pgtop-conn") for pid in range(1, 31)]),
    "replication": steady([make_walsender(pid, backend_start=NOW - 10 * pid, state=IDLE) for pid in range(1, 31)]),
    "hidden": steady([make_hidden(pid, app="web", role="app") for pid in range(1, 31)]),
    "track_activities off": steady([session(pid, -10 * pid, state=DISABLED, query="") for pid in range(1, 31)]),
    "few": steady(lost(4, 1.0)),
    "a fleet, one each": steady([session(pid, -10 * pid, client=f"10.0.0.{pid}") for pid in range(1, 16)]),
    "busy pool": lambda now_s: busy(30, now_s=now_s),
    "all active": lambda now_s: [session(pid, -now_s - pid, last_s=now_s, state=ACTIVE) for pid in range(1, 31)],
    "monitoring agent": lambda now_s: [session(pid, -900 * pid, last_s=now_s - pid) for pid in range(1, 7)],
    "session per request": lambda now_s: [session(int(now_s * 10) + n, now_s - 0.1 * n) for n in range(1, 7)],
    "pool that ramped up, then stays": lambda now_s: [
        session(pid, 0.2 * pid) for pid in range(1, 21) if 0.2 * pid <= now_s
    ],
    "reaped at rest": lambda now_s: [
        # A burst of eight every 15 s, closed after ten seconds at rest.
        session(int(burst) * 10 + n, burst + 0.01 * n)
        for burst in range(-30, int(now_s) + 1, 15)
        for n in range(8)
        if burst + 0.1 <= now_s < burst + 10
    ],
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_pool_is_no_leak_at_the_first_poll_nor_later(name: str) -> None:
    play = HEALTHY[name]
    assert at_once(play(0.0)) == ()
    for seconds in (10.0, 60.0, 200.0):
        assert watched(play, seconds, max(1.0, seconds / 50)) == ()


def test_threads_that_replace_their_session_at_an_age_are_no_leak_once_they_are_watched() -> None:
    for seconds in (60.0, 120.0, 300.0):
        assert watched(django(), seconds) == ()


def test_a_pool_that_filled_the_server_at_once_is_none() -> None:
    server = make_server(max_connections=64)
    for ago_s in (4, 20, 600):
        assert at_once([session(pid, -ago_s + 0.05 * pid) for pid in range(1, 61)], server) == ()


def test_a_pool_that_grows_with_a_spike_of_work_is_none() -> None:
    def play(now_s: float) -> list[Backend]:
        return [
            session(pid, 0.5 * pid, last_s=now_s - pid % 3 * 0.3, state=ACTIVE if pid % 2 else IDLE)
            for pid in range(1, min(40, int(now_s * 2)) + 1)
        ]

    for seconds in (5.0, 15.0, 60.0):
        assert watched(play, seconds, max(1.0, seconds / 50)) == ()


# What holds always.

_STATES = st.sampled_from([IDLE, ACTIVE, IN_TRANSACTION, ABORTED, DISABLED, None])


@st.composite
def crowds(draw: st.DrawFn) -> list[Backend]:
    """Anything, and often a leak among it."""
    rows: list[Backend] = []
    for pid in range(1, draw(st.integers(0, 40)) + 1):
        began_s = -draw(st.floats(0, 4000))
        rows.append(
            session(
                pid,
                began_s,
                last_s=draw(st.none() | st.floats(began_s, 0)),
                state=draw(_STATES),
                app=draw(st.sampled_from(["web", "psql", "pgtop-conn", ""])),
                query=draw(st.sampled_from([LEAKED, "", "COMMIT", "LISTEN x", "SELECT 'a", "%s"])),
                query_id=draw(st.none() | st.integers(-3, 3)),
                holds_xmin=draw(st.booleans()),
                client=draw(st.sampled_from(["10.0.0.1", "10.0.0.2", "local", ""])),
            )
        )
    rows += [
        make_hidden(pid, app="web", role="app", database="shop") for pid in range(500, 500 + draw(st.integers(0, 9)))
    ]
    rows += lost(draw(st.sampled_from([0, 0, 12, 40])), draw(st.floats(0.01, 100)), app="worker")
    return list({row.pid: row for row in rows}.values())


@given(crowds(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_of_whatever_rows(rows: list[Backend], chance: random.Random) -> None:
    observation, snapshot = seen_once(rows)
    leaks, suspects = observation.leaks(snapshot), observation.suspects(snapshot)
    for leak in (*leaks, *suspects):
        assert 0.0 < leak.score <= 1.0
        assert (leak.score > 0.5) is (leak in leaks)
        assert json.loads(json.dumps(leak.evidence)) == leak.evidence
        assert leak.evidence["sessions"] == len(leak.sessions)
        assert len(leak.sessions) >= 3
        assert "4711" not in leak.sentence + str(leak.evidence) + str(list(leak.sessions.values()))
        for key, why in leak.sessions.items():
            row = snapshot.by_key[key]
            assert why
            assert row.is_client
            assert not row.hidden
            assert row.state != DISABLED
            assert (row.app, row.role, row.database) == (leak.pool.app, leak.pool.role, leak.pool.database)
            assert row.app not in ("psql", "pgtop-conn")
    chance.shuffle(rows)
    again, same = seen_once(rows)
    for ones, others in ((again.leaks(same), leaks), (again.suspects(same), suspects)):
        assert [(one.pool, one.score, one.sentence, one.evidence, one.sessions) for one in ones] == [
            (one.pool, one.score, one.sentence, one.evidence, one.sessions) for one in others
        ]
