"""room() and rooms(): the least of three limits, against a server that lets one login in after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.slots import SlotBudget, rooms
from pgtop_conn.model.snapshot import BACKGROUND, Backend, Database, Role, Snapshot
from tests.support.data.factories import (
    make_backend,
    make_background,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.fields import BackendFields

ROLE_OIDS = (20_001, 20_002, 20_003, 20_004)
DATABASE_OIDS = (30_001, 30_002)
LIMITS = st.one_of(st.just(-1), st.integers(0, 6))


@dataclass(frozen=True, slots=True)
class Login:
    """A session in the oracle's books; a session of 0 and 0 has not said yet who it is."""

    role: int
    database: int


@dataclass(slots=True)
class Oracle:
    """A server as InitPostgres() reads: it looks at each login by itself and knows no arithmetic of headrooms."""

    maximum: int
    superuser_reserved: int
    reserved: int
    roles: dict[int, Role]
    databases: dict[int, Database]
    seated: list[Login]

    def refuses(self, login: Login) -> frozenset[str]:
        """Every reason to refuse this login; empty when it is let in."""
        role, database = self.roles[login.role], self.databases[login.database]
        left = self.maximum - len(self.seated)
        if role.superuser:
            return frozenset() if left > 0 else frozenset({"cluster"})
        kept = self.superuser_reserved + (0 if role.uses_reserved else self.reserved)
        of_role = sum(1 for seated in self.seated if seated.role == login.role)
        of_database = sum(1 for seated in self.seated if seated.database == login.database)
        reasons = {
            "cluster": left <= kept,
            "role": -1 < role.connection_limit <= of_role,
            "database": -1 < database.connection_limit <= of_database,
        }
        return frozenset(reason for reason, holds in reasons.items() if holds)

    def let_in(self, login: Login) -> tuple[int, frozenset[str]]:
        """How many such logins are let in, one after the other, and what stops the next; nobody stays."""
        before, count = list(self.seated), 0
        while not (reasons := self.refuses(login)):
            self.seated.append(login)
            count += 1
        self.seated = before
        return count, reasons


@st.composite
def servers(draw: st.DrawFn) -> tuple[Snapshot, Oracle]:
    """A server with sessions of every kind, as a snapshot and in the oracle's books."""
    roles = {
        oid: make_role(
            oid,
            f"role{oid}",
            superuser=draw(st.booleans()) if index == 0 else False,
            uses_reserved=draw(st.booleans()) or index == 0,
            connection_limit=draw(LIMITS),
        )
        for index, oid in enumerate(ROLE_OIDS)
    }
    databases = {oid: Database(oid, f"db{oid}", draw(LIMITS)) for oid in DATABASE_OIDS}
    maximum = draw(st.integers(4, 24))
    logins = st.builds(Login, st.sampled_from(ROLE_OIDS), st.sampled_from(DATABASE_OIDS))
    seated = draw(st.lists(logins, max_size=maximum))
    unborn = draw(st.integers(0, maximum - len(seated)))
    with_rows = draw(st.integers(0, unborn))
    rows = [*(_row(pid, login) for pid, login in enumerate(seated, 100)), *draw(_noise())]
    rows += [
        make_backend(pid, state="starting", role="", role_oid=0, database_oid=0) for pid in range(1, with_rows + 1)
    ]
    superuser_reserved, reserved = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    server = make_server(max_connections=maximum, superuser_reserved=superuser_reserved, reserved=reserved)
    snapshot = make_snapshot(
        draw(st.permutations(rows)), server=server, roles=roles, databases=databases, authenticating=unborn - with_rows
    )
    books = [*seated, *([Login(0, 0)] * unborn)]
    return snapshot, Oracle(maximum, superuser_reserved, reserved, roles, databases, books)


def _row(pid: int, login: Login) -> Backend:
    return make_backend(pid, role_oid=login.role, role=f"role{login.role}", database_oid=login.database)


@st.composite
def _noise(draw: st.DrawFn) -> list[Backend]:
    """Rows that have a role and a database and take no slot."""
    kinds = st.sampled_from(
        ("parallel worker", "logical replication worker", "autovacuum worker", BACKGROUND, "walsender")
    )
    rows = []
    for pid, kind in enumerate(draw(st.lists(kinds, max_size=6)), 900_000):
        whose: BackendFields = {
            "role_oid": draw(st.sampled_from(ROLE_OIDS)),
            "database_oid": draw(st.sampled_from(DATABASE_OIDS)),
        }
        if kind == "walsender":
            rows.append(make_walsender(pid, **whose))
        else:
            rows.append(make_background(pid, kind, **(whose | {"hidden": kind == BACKGROUND})))
    return rows


@given(servers())
def test_a_room_is_the_number_of_logins_let_in_and_names_what_stops_the_next(case: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = case
    budget = SlotBudget.of(snapshot)
    for role in oracle.roles.values():
        for database in oracle.databases.values():
            room = budget.room(role, database)
            free, reasons = oracle.let_in(Login(role.oid, database.oid))
            assert (room.role, room.database, room.free) == (role.name, database.name, free)
            # Of several reasons the widest is named.
            assert room.limited_by == next(kind for kind in ("cluster", "database", "role") if kind in reasons)


@given(servers())
def test_rooms_are_the_tightest_of_each_role_that_is_there_tightest_first(case: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = case
    found = rooms(snapshot, SlotBudget.of(snapshot))
    expected = {
        oracle.roles[oid].name: min(oracle.let_in(login)[0] for login in oracle.seated if login.role == oid)
        for oid in {login.role for login in oracle.seated} - {0}
    }
    assert {room.role: room.free for room in found} == expected
    assert len(found) == len(expected)
    assert [room.free for room in found] == sorted(room.free for room in found)


def test_there_is_no_room_for_a_role_that_may_not_log_in() -> None:
    """It keeps the sessions that it has."""
    roles = [make_role(20_001, "web"), replace(make_role(20_002, "retired"), can_login=False)]
    rows = [make_backend(1, role_oid=20_001, role="web"), make_backend(2, role_oid=20_002, role="retired")]
    snapshot = make_snapshot(rows, roles=roles)
    assert [room.role for room in rooms(snapshot, SlotBudget.of(snapshot))] == ["web"]


@given(servers())
def test_one_more_login_takes_one_from_every_room_it_shares(case: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = case
    budget = SlotBudget.of(snapshot)
    admitted = [
        Login(role, database)
        for role in oracle.roles
        for database in oracle.databases
        if not oracle.refuses(Login(role, database))
    ]
    for login in admitted:
        after = make_snapshot(
            [*snapshot.backends, _row(500_000, login)],
            server=snapshot.server,
            roles=oracle.roles,
            databases=oracle.databases,
            authenticating=snapshot.authenticating,
        )
        role, database = oracle.roles[login.role], oracle.databases[login.database]
        assert SlotBudget.of(after).room(role, database).free == budget.room(role, database).free - 1
