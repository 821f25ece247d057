"""53300: real servers of each version filled to each limit, and other builds and languages by their words."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PasswordNeeded, SlotsExhausted
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.postgres.connection.slot_refusals import refusal_of
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.host_door.door import HostDoor
from pgtop_conn.postgres.session import Session
from pgtop_conn.view.status.door_banner import newcomers_line
from tests.conftest import VERSIONS, MakeCluster
from tests.support.refusing_server import refusing
from tests.support.servers import Clients
from tests.support.waits import HANG_S, wait_until

SETTINGS = {"max_connections": "8", "superuser_reserved_connections": "1", "max_wal_senders": "1"}
SCRAM = ["local all locked scram-sha-256"]


@pytest.fixture(params=sorted(VERSIONS), ids=lambda major: f"pg{major}")
def small(make_cluster: MakeCluster, request: pytest.FixtureRequest) -> Cluster:
    reserved = {"reserved_connections": "1"} if request.param >= 16 else {}
    return make_cluster(major=request.param, settings=SETTINGS | reserved, hba=SCRAM)


async def refused(
    cluster: Cluster, user: str = "postgres", database: str = "postgres", *, by_door: bool = False
) -> SlotsExhausted:
    info = resolve(cluster.uri(user=user, database=database), environ={})
    with pytest.raises(SlotsExhausted) as raised:
        await Session.open(info, by_door=by_door)
    assert raised.value.sqlstate == "53300"
    assert (raised.value.host, raised.value.port) == (str(cluster.socket_dir), cluster.port)
    return raised.value


async def test_every_limit(small: Cluster, clients: Clients) -> None:
    admin = await clients(small)
    await admin.execute("CREATE DATABASE narrow CONNECTION LIMIT 0")
    for name, options in (
        ("web", "LOGIN"),
        ("limited", "LOGIN CONNECTION LIMIT 0"),
        ("member", "LOGIN"),
        ("locked", "LOGIN PASSWORD 'opensesame'"),
    ):
        await clients.role(small, name, options)
    assert (await refused(small, "limited")).kind == "role"
    assert (await refused(small, "web", "narrow")).kind == "database"
    sender = await asyncpg.connect(small.uri(), server_settings={"replication": "database"}, statement_cache_size=0)
    assert (await refused(small, by_door=True)).kind == "max_wal_senders"
    sender.terminate()
    if small.major >= 16:
        await admin.execute("GRANT pg_use_reserved_connections TO member")
        await clients.many(5, small, role="web")
        assert (await refused(small, "web")).kind == "reserved_connections"
        await clients(small, role="member")
        assert (await refused(small, "member")).kind == "superuser_reserved"
    else:
        await clients.many(6, small, role="web")
    error = await refused(small, "web")
    assert error.kind == "superuser_reserved"
    assert "superusers" in str(error)
    # Reserves and limits are looked at behind the password, so it must be known; to be full comes before.
    await wait_until(lambda: asks_for_password(small, "locked"), "nobody who was refused takes a slot any more")
    await clients(small)
    for user in ("postgres", "web", "locked"):
        assert (await refused(small, user)).kind == "full"


async def asks_for_password(cluster: Cluster, user: str) -> bool:
    """Whether the server wants a password; while those whom it has refused are leaving, it says that it is full."""
    with pytest.raises((PasswordNeeded, SlotsExhausted)) as told:
        await Session.open(resolve(cluster.uri(user=user), environ={}))
    return told.type is PasswordNeeded


@pytest.mark.parametrize("major", sorted(VERSIONS))
async def test_connections_that_say_nothing_keep_everybody_out(make_cluster: MakeCluster, major: int) -> None:
    """They take no slot, and yet nobody gets in; the host door shows them."""
    cluster = make_cluster(major=major, settings={**SETTINGS, "max_worker_processes": "0"}, tcp=True)
    writers: list[asyncio.StreamWriter] = []
    try:
        async with asyncio.timeout(HANG_S):
            while not await stays_shut(cluster):
                _, writer = await asyncio.open_connection("127.0.0.1", cluster.port)
                writers.append(writer)
        error = await refused(cluster)
        assert error.kind == "newcomers"
        assert "have not finished logging in" in str(error)
        assert (await refused(cluster, by_door=True)).kind == "newcomers"
        door = await HostDoor.open(resolve(cluster.uri(), environ={}))
        snapshot = await door.poll()
        assert SlotBudget.of(snapshot).used == 0
        (cell,) = newcomers_line(snapshot)
        assert cell.text.startswith(f" {len(writers)} connections have not said who they are")
    finally:
        for writer in writers:
            writer.close()

    async def open_again() -> bool:
        return not await shut(cluster)

    await wait_until(open_again, "the server lets us in again")


async def stays_shut(cluster: Cluster) -> bool:
    """Whoever was let in before is counted until the server has seen the end of it."""
    for _ in range(5):
        if not await shut(cluster):
            return False
    return True


async def shut(cluster: Cluster) -> bool:
    try:
        session = await Session.open(resolve(cluster.uri(), environ={}))
    except SlotsExhausted:
        return True
    await session.close()
    return False


RESERVED = "remaining connection slots are reserved for "
RDS = f"{RESERVED}non-replication superuser, rds_reserved, and rds_superuser connections"
OTHER_LANGUAGES = [
    ("tut mir leid, schon zu viele Verbindungen", "InitProcess", "full"),
    ("desculpe, muitos clientes conectados", "ProcArrayAdd", "full"),
    ("désolé, trop de clients sont déjà connectés", "BackendInitialize", "newcomers"),
    ("Verbindungen sind für Rollen mit dem SUPERUSER-Attribut reserviert", "InitPostgres", "superuser_reserved"),
    ("réservés au rôle « pg_use_reserved_connections »", "InitPostgres", "reserved_connections"),
    ("zu viele Verbindungen für Rolle »rds_max_wal_senders«", "InitializeSessionUserId", "role"),
    ("trop de connexions pour la base de données « shop »", "CheckMyDatabase", "database"),
    ("Standby-Verbindungen überschreitet max_wal_senders (aktuell 2)", "InitProcess", "max_wal_senders"),
    (RDS, "InitPostgres", "provider"),
    (f"{RESERVED}whom nobody knows", "", "superuser_reserved"),
    ("no more connections allowed (max_client_conn)", "", "pooler"),
]


@pytest.mark.parametrize(("text", "function", "kind"), OTHER_LANGUAGES)
async def test_other_builds_and_languages(text: str, function: str, kind: str) -> None:
    async with refusing(text, function, severity="SCHWERWIEGEND") as server:
        with pytest.raises(SlotsExhausted) as raised:
            await Session.open(resolve(f"postgresql://web@127.0.0.1:{server.port}/shop?sslmode=disable", environ={}))
    assert raised.value.kind == kind
    assert str(raised.value).startswith(text)
    assert (raised.value.host, raised.value.port) == ("127.0.0.1", server.port)


def test_hostile_names_decide_nothing() -> None:
    assert refusal_of('too many connections for role "max_wal_senders"').kind == "role"
    assert refusal_of("zu viele für »pg_use_reserved_connections«", "InitializeSessionUserId").kind == "role"
