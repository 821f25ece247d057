"""The simple query protocol against raw bytes: in any pieces, torn, of hostile lengths, too long, late, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import ConnectError
from pgtop_conn.postgres.console import ResultTable, SimpleQuery, take_over
from tests.support.pgbouncer import needed_program, running

Values = Sequence[bytes | None]


class Wire(asyncio.Transport):
    """What a protocol writes to, and what it is told; nobody is at the other end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def columns(*names: str) -> bytes:
    parts = [name.encode() + b"\0" + bytes(18) for name in names]
    return message(b"T", len(parts).to_bytes(2, "big") + b"".join(parts))


def row(*values: bytes | None) -> bytes:
    parts = [b"\xff" * 4 if value is None else len(value).to_bytes(4, "big") + value for value in values]
    return message(b"D", len(parts).to_bytes(2, "big") + b"".join(parts))


def error(**fields: str) -> bytes:
    return message(b"E", b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0")


DONE, READY = message(b"C", b"SELECT 2\0"), message(b"Z", b"I")
NOTICE = message(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")
ASIDE = NOTICE + message(b"S", b"TimeZone\0UTC\0") + message(b"A", bytes(4) + b"channel\0\0")
ANSWER = ASIDE + columns("a", "b") + row(b"1", None) + NOTICE + row(b"", b"\xff") + DONE + READY
EXPECTED = ResultTable(("a", "b"), [(b"1", None), (b"", b"\xff")], "SELECT 2")


def simple_on(wire: Wire, **caps: int) -> SimpleQuery:
    before = SimpleNamespace(connection_lost=lambda _: None, pause_writing=lambda: None, resume_writing=lambda: None)
    return SimpleQuery(wire, before, **caps)


async def asked(simple: SimpleQuery, text: str = "SELECT 1") -> asyncio.Task[list[ResultTable]]:
    task = asyncio.create_task(simple.query(text))
    await asyncio.sleep(0)
    return task


def answered(pieces: Sequence[bytes], **caps: int) -> tuple[object, Wire]:
    """What becomes of a question that is answered by these: tables, or what was raised, or None while it waits."""

    async def ask() -> tuple[object, Wire]:
        wire = Wire()
        simple = simple_on(wire, **caps)
        task = await asked(simple)
        for piece in pieces:
            simple.data_received(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            return None, wire
        return task.exception() or task.result(), wire

    return asyncio.run(ask())


@given(st.lists(st.integers(1, len(ANSWER) - 1), unique=True).map(sorted))
def test_an_answer_may_come_in_any_pieces(cuts: list[int]) -> None:
    pieces = [ANSWER[start:end] for start, end in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True)]
    found, wire = answered(pieces)
    assert found == [EXPECTED]
    assert wire.written == b"Q\x00\x00\x00\x0dSELECT 1\0"
    assert not wire.aborted


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda noise: ANSWER[:40] + noise))
def test_no_bytes_break_it(noise: bytes) -> None:
    """Either they are an answer, or more is waited for, or the connection is ended and whoever waits is told."""
    found, wire = answered([noise])
    if isinstance(found, BaseException):
        assert isinstance(found, asyncpg.PostgresError | asyncpg.ConnectionDoesNotExistError)
    assert isinstance(found, list | BaseException) or found is None
    assert wire.aborted or found is not None


HOSTILE = {
    "a length below its own": b"T\x00\x00\x00\x03",
    "a length that is endless": b"D\xff\xff\xff\xff",
    "a row without columns": row(b"1"),
    "a row of fewer columns": columns("a", "b") + row(b"1"),
    "a value longer than its row": columns("a") + message(b"D", b"\x00\x01\x00\x00\x00\x09x"),
    "a row that ends in a length": columns("a") + message(b"D", b"\x00\x01\x00\x00"),
    "a row with something behind": columns("a") + message(b"D", b"\x00\x01\x00\x00\x00\x01xy"),
    "a row that is empty": columns("a") + message(b"D"),
    "a description without an end": message(b"T", b"\x00\x01name"),
    "a description that promises more": message(b"T", b"\x7f\xff" + b"a\0" + bytes(18)),
    "copying out": message(b"H", b"\0\0\0"),
    "copying both ways": message(b"W", b"\0\0\0"),
    "a login": message(b"R", bytes(4)),
    "not the protocol": b"HTTP/1.1 400 Bad Request\r\n",
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_ends_the_connection(raw: bytes) -> None:
    found, wire = answered([raw])
    assert isinstance(found, asyncpg.ConnectionDoesNotExistError)
    assert "no answer to a simple query" in str(found)
    assert wire.aborted


def test_caps() -> None:
    """Of one message before it has arrived, of all rows together."""
    found, wire = answered([columns("a") + b"D\x00\x00\x01\x00"], longest=100)
    assert isinstance(found, asyncpg.ConnectionDoesNotExistError)
    assert "256 bytes" in str(found)
    found, wire = answered([columns("a"), *[row(b"x" * 50)] * 30], most=1000)
    assert "more than 1000 bytes" in str(found)
    assert wire.aborted
    assert answered([columns("a"), *[row(b"x" * 50)] * 10, DONE, READY], most=1000)[0] != []


def test_a_refusal_leaves_the_connection_and_a_fatal_one_tells_why_it_ended() -> None:
    refusal = error(S="FEHLER", V="ERROR", C="42501", M="not \udcff for you".encode("utf-8", "replace").decode())
    found, wire = answered([columns("a") + row(b"1") + refusal + READY])
    assert isinstance(found, asyncpg.InsufficientPrivilegeError)
    assert found.sqlstate == "42501"
    assert not wire.aborted
    # Bytes of another encoding, and no fields at all.
    assert isinstance(answered([message(b"E", b"M\xff\xfe\0\0") + READY])[0], asyncpg.PostgresError)
    assert isinstance(answered([message(b"E", b"\0") + READY])[0], asyncpg.PostgresError)

    async def ended() -> BaseException | None:
        simple = simple_on(Wire())
        task = await asked(simple)
        simple.data_received(error(S="FATAL", V="FATAL", C="57P01", M="terminating connection"))
        simple.connection_lost(None)
        await asyncio.wait({task})
        return task.exception()

    assert isinstance(asyncio.run(ended()), asyncpg.AdminShutdownError)


def test_several_statements_and_none() -> None:
    found, _ = answered([message(b"C", b"SET\0") + columns("a") + row(b"1") + DONE + READY])
    assert found == [ResultTable(tag="SET"), ResultTable(("a",), [(b"1",)], "SELECT 2")]
    assert answered([message(b"I") + READY])[0] == [ResultTable()]


async def test_a_lost_connection_and_a_caller_who_leaves() -> None:
    """In the middle of an answer, before one, without a question; nothing is asked of what is ended."""
    wire = Wire()
    simple = simple_on(wire)
    task = await asked(simple)
    simple.data_received(ANSWER[:60])
    simple.connection_lost(ConnectionResetError())
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await task
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await simple.query("SELECT 1")

    wire = Wire()
    simple = simple_on(wire)
    with pytest.raises(TimeoutError):
        await simple.query("SELECT 1", timeout_s=0)
    assert wire.aborted

    wire = Wire()
    simple = simple_on(wire)
    task = await asked(simple)
    with pytest.raises(asyncpg.InterfaceError):
        await simple.query("one more")
    task.cancel()
    await asyncio.wait({task})
    assert wire.aborted
    # What comes for him is not taken for the next one's.
    simple.data_received(ANSWER)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await simple.query("SELECT 2")
    with pytest.raises(asyncpg.InterfaceError):
        await simple_on(Wire()).query("a\0b")

    wire = Wire()
    simple_on(wire).data_received(ASIDE + error(S="FATAL", C="57P01", M="bye"))
    assert not wire.aborted
    simple_on(wire).data_received(READY)
    assert wire.aborted


@pytest.fixture
async def taken(cluster: Cluster) -> AsyncIterator[tuple[SimpleQuery, asyncpg.Connection[asyncpg.Record]]]:
    connection = await asyncpg.connect(cluster.uri(), timeout=10)
    yield take_over(connection), connection
    connection.terminate()


async def test_a_real_server(taken: tuple[SimpleQuery, asyncpg.Connection[asyncpg.Record]]) -> None:
    simple, connection = taken
    tables = await simple.query("SET work_mem = '1MB'; SELECT 1 AS one, NULL AS two, 'é' AS three WHERE true")
    assert tables == [
        ResultTable(tag="SET"),
        ResultTable(("one", "two", "three"), [(b"1", None, "é".encode())], "SELECT 1"),
    ]
    (many,) = await simple.query("SELECT repeat('x', i) FROM generate_series(1, 2000) AS i")
    assert [len(value or b"") for (value,) in many.rows] == list(range(1, 2001))
    await simple.query("DO $$ BEGIN RAISE NOTICE 'aside'; END $$")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await simple.query("SELECT 1 / 0")
    assert (await simple.query(""))[0] == ResultTable()
    with pytest.raises(asyncpg.AdminShutdownError):
        await simple.query("SELECT pg_terminate_backend(pg_backend_pid())")
    assert connection.is_closed()


async def test_the_console_of_a_pooler(cluster: Cluster) -> None:
    """It speaks no other protocol."""
    async with running(needed_program(), cluster, "postgres", admin_users="postgres") as port:
        uri = f"postgresql://postgres@127.0.0.1:{port}/pgbouncer"
        console: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(uri, ssl=False)
        simple = take_over(console)
        (pools,) = await simple.query("SHOW POOLS")
        assert {"database", "user", "cl_waiting", "pool_mode"} <= set(pools.columns)
        assert dict(zip(pools.columns, pools.rows[0], strict=True))["database"] == b"pgbouncer"
        with pytest.raises(asyncpg.PostgresError, match="invalid command"):
            await simple.query("NONSENSE")
        assert (await simple.query("SHOW VERSION"))[0].rows
        console.terminate()


class Strange(Wire):
    """As another version of the driver may have it."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        return SimpleNamespace()  # type: ignore[return-value]


@pytest.mark.parametrize("transport", [None, object(), Strange()], ids=["none", "another", "another protocol"])
def test_a_driver_that_cannot_hand_over_is_refused_in_words(transport: object) -> None:
    ended: list[bool] = []
    with pytest.raises(ConnectError, match="asyncpg"):
        take_over(SimpleNamespace(_transport=transport, terminate=lambda: ended.append(True)))
    assert ended == [True]
