"""Who may still connect: the arithmetic, against a server's own rule written down a second time."""

from __future__ import annotations

from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.slots import Level, SlotBudget, SlotKind
from pgtop_conn.model.snapshot import Database
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import ServerFields


def budget(clients: int, **server: Unpack[ServerFields]) -> SlotBudget:
    """A budget with so many client backends, our own among them."""
    rows = [make_own(), *(make_backend(pid) for pid in range(5000, 5000 + clients - 1))]
    return SlotBudget.of(make_snapshot(rows, server=make_server(**server)))


@given(
    maximum=st.integers(1, 60),
    superuser_reserved=st.integers(0, 8),
    reserved=st.integers(0, 8),
    provider=st.integers(0, 4),
    used=st.integers(1, 60),
)
def test_headroom_is_the_number_of_logins_that_would_be_let_in(
    maximum: int, superuser_reserved: int, reserved: int, provider: int, used: int
) -> None:
    found = budget(
        min(used, maximum),
        max_connections=maximum,
        superuser_reserved=superuser_reserved,
        reserved=reserved,
        provider_reserved={"rds.rds_reserved_connections": provider},
    )

    def logins(held_back: int) -> int:
        count, taken = 0, min(used, maximum)
        while maximum - taken - held_back >= 1:
            taken += 1
            count += 1
        return count

    assert found.ordinary_free == logins(superuser_reserved + reserved + provider)
    assert found.reserved_free == logins(superuser_reserved)
    assert found.superuser_free == logins(0)


def test_only_client_backends_take_a_slot() -> None:
    rows = [
        make_own(),
        make_backend(1),
        make_walsender(2),
        make_background(3),
        make_background(4, "autovacuum worker"),
        make_backend(5, backend_type="parallel worker", leader_pid=1),
        make_backend(6, backend_type="logical replication apply worker"),
    ]
    found = SlotBudget.of(make_snapshot(rows))
    assert (found.used, found.walsenders_used) == (2, 1)
    assert sum(found.states.values()) == found.used


def test_connections_that_authenticate_take_a_slot_with_and_without_a_row() -> None:
    starting = make_backend(7, role="", role_oid=0, state="starting", database_oid=0)
    found = SlotBudget.of(make_snapshot([make_own(), starting], authenticating=2))
    assert (found.used, found.authenticating) == (4, 3)


@pytest.mark.parametrize(
    ("used", "level"),
    [
        (77, Level.OK),
        (78, Level.WARNING),
        (92, Level.WARNING),
        (93, Level.CRITICAL),
        (96, Level.CRITICAL),
        (97, Level.FULL),
    ],
)
def test_level_is_judged_by_what_ordinary_roles_may_use(used: int, level: Level) -> None:
    # 97 of 100 slots are open to ordinary roles: 80 % is 77.6, 95 % is 92.15.
    assert budget(used).level is level


def test_a_server_without_ordinary_slots_is_full() -> None:
    assert budget(1, max_connections=3).level is Level.FULL


@pytest.mark.parametrize(
    ("used", "superuser", "uses_reserved", "slot"),
    [
        (95, True, True, SlotKind.ORDINARY),
        (96, True, True, SlotKind.RESERVED),
        (97, True, True, SlotKind.RESERVED),
        (98, True, True, SlotKind.SUPERUSER),
        (96, False, True, SlotKind.RESERVED),
        (98, False, True, SlotKind.RESERVED),
        (98, False, False, SlotKind.ORDINARY),
    ],
)
def test_own_slot_is_what_our_leaving_gives_back(
    used: int, superuser: bool, uses_reserved: bool, slot: SlotKind
) -> None:
    found = budget(used, reserved=2, superuser=superuser, uses_reserved=uses_reserved)
    assert found.own_slot is slot


def test_an_unprivileged_count_is_the_servers_and_says_whether_it_is_exact() -> None:
    rows = [make_own(), *(make_hidden(pid) for pid in range(1, 9))]
    found = SlotBudget.of(make_snapshot(rows, counted_used=8, counted_exact=False))
    assert (found.used, found.exact) == (8, False)
    assert found.states["hidden"] == 8


def test_limits_tightest_first_superusers_exempt_but_counted_for_a_database() -> None:
    roles = [
        make_role(100, "reporting", connection_limit=10),
        make_role(101, "boss", superuser=True, connection_limit=1),
        make_role(102, "nobody", connection_limit=5, can_login=False),
    ]
    rows = [
        make_own(database_oid=7),
        *(make_backend(pid, role_oid=100, role="reporting", database_oid=7) for pid in range(1, 9)),
        make_backend(20, role_oid=101, role="boss", database_oid=7),
        make_walsender(21, role_oid=100, database_oid=7),
    ]
    found = SlotBudget.of(make_snapshot(rows, roles=roles, databases={7: Database(7, "shop", 11)}))
    assert [(limit.kind, limit.name, limit.used, limit.limit) for limit in found.limits] == [
        ("database", "shop", 10, 11),
        ("role", "reporting", 8, 10),
    ]


def test_ages_never_fall_below_zero() -> None:
    assert make_backend(state_change=NOW + 5).idle_s(NOW) == 0.0
