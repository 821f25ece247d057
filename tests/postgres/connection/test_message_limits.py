"""What a server may send at most: the memory of a monitor is not its to fill."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError, Failure, SourceLost
from pgtop_conn.postgres.connection.wire import message_limits
from pgtop_conn.postgres.connection.wire.message_limits import (
    DOOR_MOST_BYTES,
    OTHER_MOST_BYTES,
    ROW_MOST_BYTES,
    Lengths,
)
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from tests.conftest import MakeCluster
from tests.support.scripted_source import WELCOME, message, scripted
from tests.support.servers import Clients

#: The head of a row of 2 GiB, and a beginning of it.
HUGE = b"D\x7f\xff\xff\xff" + bytes(65536)


def in_pieces(data: bytes, ends: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(end % (len(data) + 1) for end in ends)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


_MESSAGES = st.lists(st.tuples(st.sampled_from(b"DTCZNESn123"), st.binary(max_size=40)), max_size=12)


@given(messages=_MESSAGES, ends=st.lists(st.integers(0, 999), max_size=20), by_door=st.booleans())
def test_however_it_arrives_what_is_short_passes(
    messages: list[tuple[int, bytes]], ends: list[int], by_door: bool
) -> None:
    lengths = Lengths(by_door=by_door)
    data = b"".join(message(bytes([kind]), body) for kind, body in messages)
    assert [lengths.refusal(piece) for piece in in_pieces(data, ends)] == [""] * len(in_pieces(data, ends))


@given(
    messages=_MESSAGES,
    ends=st.lists(st.integers(0, 999), max_size=20),
    kind=st.sampled_from(b"DTCZNESn123\0\xff"),
    length=st.one_of(st.integers(0, 3), st.integers(ROW_MOST_BYTES + 1, 2**32 - 1)),
)
def test_however_it_arrives_what_is_too_long_is_refused_by_its_head(
    messages: list[tuple[int, bytes]], ends: list[int], kind: int, length: int
) -> None:
    lengths = Lengths(by_door=False)
    data = b"".join(message(bytes([one]), body) for one, body in messages) + struct.pack("!BI", kind, length)
    said = [lengths.refusal(piece) for piece in in_pieces(data, ends)]
    assert all(text == "" for text in said[:-1])
    assert said[-1]


@pytest.mark.parametrize(
    ("kind", "most", "by_door"),
    [
        (b"D", ROW_MOST_BYTES, False),
        (b"D", ROW_MOST_BYTES, True),
        (b"N", OTHER_MOST_BYTES, False),
        (b"N", DOOR_MOST_BYTES, True),
        (b"E", OTHER_MOST_BYTES, True),
    ],
)
def test_how_long_one_may_be(kind: bytes, most: int, by_door: bool) -> None:
    assert Lengths(by_door=by_door).refusal(kind + struct.pack("!I", most)) == ""
    text = Lengths(by_door=by_door).refusal(kind + struct.pack("!I", most + 1))
    assert text.endswith(f"where at most {most // 2**20} MB can be")


def test_rows_without_end_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_limits, "ANSWER_MOST_BYTES", 10 * 2**20)
    lengths, row, ready = Lengths(by_door=False), message(b"D", bytes(2**20)), message(b"Z", b"I")
    for _ in range(3):
        assert [lengths.refusal(row) for _ in range(9)] == [""] * 9
        assert lengths.refusal(ready) == ""
    said = [lengths.refusal(row) for _ in range(11)]
    assert said[-1] == "the server sent more than 10 MB for one statement"


async def test_a_huge_message_to_the_first_statement_is_one_line() -> None:
    async with scripted(WELCOME, HUGE) as port:
        info = resolve(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable", environ={})
        with pytest.raises(ConnectError) as caught:
            await Session.open(info)
    assert str(caught.value) == (
        f"no session at 127.0.0.1:{port}: the server sent a message of 2048 MB where at most 16 MB can be"
    )
    assert caught.value.failure is Failure.UNREACHABLE


async def test_a_huge_message_with_the_end_of_the_login_is_one_line() -> None:
    async with scripted(WELCOME + HUGE) as port:
        info = resolve(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable", environ={})
        with pytest.raises(ConnectError):
            await Session.open(info)


@dataclass
class Relay:
    """`instead` is sent once in the place of what the server says next."""

    port: int = 0
    instead: bytes = b""


@asynccontextmanager
async def relayed(cluster: Cluster) -> AsyncIterator[Relay]:
    relay, serving = Relay(), set[asyncio.Task[None]]()

    async def pass_on(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await source.read(65536):
                sink.write(change(data))
        except ConnectionError:
            # The monitor has had enough.
            return
        finally:
            sink.close()

    def changed(data: bytes) -> bytes:
        data, relay.instead = relay.instead or data, b""
        return data

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", cluster.port)
        await asyncio.gather(pass_on(reader, far_writer, lambda data: data), pass_on(far_reader, writer, changed))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        relay.port = server.sockets[0].getsockname()[1]
        yield relay
    await asyncio.wait(serving)


async def test_a_huge_message_ends_the_session_and_the_next_poll_opens_another(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(tcp=True)
    async with relayed(cluster) as relay:
        uri = f"postgresql://postgres@127.0.0.1:{relay.port}/postgres?sslmode=disable"
        session = await Session.open(resolve(uri, environ={}))
        before = (await session.poll()).server.own_pid
        relay.instead = HUGE
        with pytest.raises(SourceLost, match=r"a message of 2048 MB where at most 16 MB can be"):
            await session.poll()
        assert (await session.poll()).server.own_pid != before
        await session.close()


async def test_the_longest_texts_of_a_real_server_pass(make_cluster: MakeCluster, clients: Clients) -> None:
    cluster = make_cluster(settings={"track_activity_query_size": "1MB"})
    for _ in range(3):
        one = await clients(cluster)
        await one.execute("SELECT 1 /* " + "x" * 2**20 + " */")
    for by_door in (False, True):
        session = await Session.open(resolve(cluster.uri(), environ={}), by_door=by_door)
        snapshot = await session.poll()
        assert sum(len(backend.query) > 2**20 - 10 for backend in snapshot.backends) == 3
        await session.close()
