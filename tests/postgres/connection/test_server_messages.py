"""Text of a server that is not UTF-8: mended before the driver sees it, wherever the network cuts the stream."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, PollFailed, SlotsExhausted
from pgtop_conn.postgres.connection.connect import connect
from pgtop_conn.postgres.connection.wire import server_messages
from pgtop_conn.postgres.connection.wire.server_messages import Messages, mended
from pgtop_conn.postgres.conninfo.conninfo import resolve
from tests.postgres.conftest import OpenSession
from tests.support.postgres.statement_recorder import Recorder
from tests.support.refusing_server import refusing
from tests.support.scripted_source import message
from tests.support.servers import Clients

#: The letters of messages that are text, and of some that are not.
_TEXTS, _OTHERS = b"ENSC", b"DTZRKt12"


def messages_in(stream: bytes) -> Iterable[tuple[int, bytes]]:
    while stream:
        size = struct.unpack_from("!I", stream, 1)[0] + 1
        assert 5 <= size <= len(stream)
        yield stream[0], stream[5:size]
        stream = stream[size:]


streams = st.lists(
    st.tuples(st.sampled_from(_TEXTS + _OTHERS), st.binary(max_size=40) | st.text(max_size=20).map(str.encode)),
    max_size=12,
)


@given(streams, st.lists(st.integers(1, 30)), st.sampled_from([8, 16, 1 << 16]))
def test_each_message_arrives_once_and_its_text_is_utf8(
    sent: list[tuple[int, bytes]], cuts: list[int], kept: int
) -> None:
    stream, heard, pieces = b"".join(message(bytes([letter]), body) for letter, body in sent), b"", Messages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_messages, "WHOLE_MOST", kept)
        for size in cuts:
            heard += pieces.feed(stream[:size])
            stream = stream[size:]
        heard += pieces.feed(stream)
    got = list(messages_in(heard))
    assert [letter for letter, _ in got] == [letter for letter, _ in sent]
    for (letter, before), (_, after) in zip(sent, got, strict=True):
        if letter in _OTHERS:
            assert after == before
        elif len(before) + 5 <= kept:
            assert after.decode() == before.decode(errors="replace")
        else:
            after.decode()
            assert len(after) == len(before)
            assert [one for one in after if one < 128 and one != ord("?")] == [
                one for one in before if one < 128 and one != ord("?")
            ]


@given(st.binary(max_size=4), st.binary(max_size=40))
def test_the_pid_of_a_notification_stays(pid: bytes, text: bytes) -> None:
    after = mended(message(b"A", pid.ljust(4, b"\xfc") + text))
    assert after[5:9] == pid.ljust(4, b"\xfc")
    assert after[9:].decode() == text.decode(errors="replace")


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_what_is_no_stream_of_messages_is_left_to_the_driver(pieces: list[bytes]) -> None:
    messages = Messages()
    nonsense = b"Z\0\0\0\3"
    assert messages.feed(nonsense) == nonsense
    assert [messages.feed(piece) for piece in pieces] == pieces


@pytest.mark.parametrize("split", [False, True])
async def test_the_reason_of_a_refusal_in_latin1_is_told(split: bool) -> None:
    text = "tut mir leid, schon zu viele Verbindungen f\udcfcr alle"
    async with refusing(text, "InitProcess", severity="FATAL", password_first=split) as server:
        with pytest.raises(SlotsExhausted, match="Verbindungen f\ufffdr alle — every slot of max_connections"):
            await connect(resolve(f"host=127.0.0.1 port={server.port} user=x dbname=x password=y", environ={}))


async def test_the_reason_of_another_refusal_is_told() -> None:
    async with refusing("Passwort-Authentifizierung f\udcfcr \udcff\udcfe", code="28000") as server:
        with pytest.raises(ConnectError, match="Authentifizierung f\ufffdr \ufffd\ufffd"):
            await connect(resolve(f"host=127.0.0.1 port={server.port} user=x dbname=x", environ={}))


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "MULE_INTERNAL"])
def database(every_cluster: Cluster, request: pytest.FixtureRequest) -> str:
    return f"texts_{request.param.lower()}"


async def make_database(cluster: Cluster, clients: Clients, name: str) -> None:
    admin = await clients(cluster)
    if not await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
        encoding = name.removeprefix("texts_").upper()
        await admin.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )


async def test_a_refused_statement_keeps_its_reason_in_every_encoding(
    every_cluster: Cluster, clients: Clients, sessions: OpenSession, database: str
) -> None:
    await make_database(every_cluster, clients, database)
    session = await sessions(every_cluster, database=database)
    assert (await session.poll()).server.database == database
    link = Recorder(session).link
    # The byte is made by the server: a character of Latin-1, and of no other encoding of these.
    text = "SELECT pg_catalog.convert_from('\\x62fc72'::bytea, pg_catalog.getdatabaseencoding())::int4"
    if "mule" in database:
        text = text.replace("62fc72", "6281fc72")
    with pytest.raises(PollFailed, match=r"b\ufffd+r"):
        await link.read(text)
    assert (await session.poll()).backends


async def test_a_greeting_in_latin1_keeps_nobody_out(make_greeting: Cluster, sessions: OpenSession) -> None:
    session = await sessions(make_greeting, database="texts_sql_ascii")
    assert (await session.poll()).backends


@pytest.fixture
async def make_greeting(every_cluster: Cluster, clients: Clients) -> Cluster:
    """A server whose database says something at each login, from 17 on by a trigger."""
    await make_database(every_cluster, clients, "texts_sql_ascii")
    admin = await clients(every_cluster, database="texts_sql_ascii")
    await admin.execute(
        "CREATE OR REPLACE FUNCTION greet() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE NOTICE E'gr\\xfc\\xdfe'; END $$"
    )
    if every_cluster.major >= 17:
        await admin.execute("DROP EVENT TRIGGER IF EXISTS greeting")
        await admin.execute("CREATE EVENT TRIGGER greeting ON login EXECUTE FUNCTION greet()")
        await admin.execute("ALTER EVENT TRIGGER greeting ENABLE ALWAYS")
    return every_cluster
