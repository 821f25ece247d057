"""What is encoded is decoded the same, field by field; and nothing is kept twice that has not changed."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.snapshot import Backend, Counters, Database, Role, Server
from pgtop_conn.recording.block_reader import BlockReader
from pgtop_conn.recording.codec import encoder as encoder_module
from pgtop_conn.recording.codec.decoder import Decoder, moment_of
from pgtop_conn.recording.codec.encoder import Encoder
from pgtop_conn.recording.codec.numbers import Damaged, packed, signed, time_code, time_of, unpacked, unsigned
from pgtop_conn.recording.codec.parts import COUNTERS, DATABASE, ROLE, SERVER
from pgtop_conn.recording.codec.rows import LASTING_FIELDS, STATEMENT_FIELDS, STATUS_FIELDS, TIME_FIELDS
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.data.moments import same, sequences

Items = list[tuple[float, bytes]]


def items_of(moments: list[Moment]) -> Items:
    """One block of them."""
    encoder = Encoder()
    return [(moment.snapshot.taken_at, encoder.encode(moment)) for moment in moments]


def player_of(moments: list[Moment]) -> BlockReader:
    """Of one block of them."""
    items = items_of(moments)
    return BlockReader(lambda _block: items)


@settings(max_examples=150, deadline=None)
@given(sequences())
def test_what_is_decoded_is_what_was_encoded(moments: list[Moment]) -> None:
    player = player_of(moments)
    for place, moment in enumerate(moments):
        assert same(player.moment(0, place), moment)


@settings(max_examples=60, deadline=None)
@given(sequences(), st.data())
def test_any_order_of_looking_shows_the_same(moments: list[Moment], data: st.DataObject) -> None:
    player = player_of(moments)
    for place in data.draw(st.lists(st.integers(0, len(moments) - 1), max_size=10)):
        assert same(player.moment(0, place), moments[place])


def test_steps_back_over_many_moments_show_the_same() -> None:
    first = Moment(make_snapshot([make_backend(pid) for pid in range(1, 20)]), ())
    moments = [first]
    for step in range(1, 100):
        was = moments[-1].snapshot
        rows = list(was.backends)
        rows[step % 19] = replace(rows[step % 19], query=f"SELECT {step}", query_start=NOW + step)
        moments.append(Moment(replace(was, taken_at=NOW + step, backends=tuple(rows)), ()))
    player = player_of(moments)
    for place in [*range(99, -1, -1), 50, 3, 98, 40]:
        assert same(player.moment(0, place), moments[place])


def test_every_field_of_a_session_and_of_the_slow_parts_is_kept() -> None:
    # With the name of the application, whole.
    known = {"key", "client_port", "app_host", *LASTING_FIELDS, *STATUS_FIELDS, *STATEMENT_FIELDS, *TIME_FIELDS}
    assert {field.name for field in fields(Backend) if field.init} == known
    for cls, kinds in ((Server, SERVER), (Role, ROLE), (Database, DATABASE), (Counters, COUNTERS)):
        assert len(fields(cls)) == len(kinds)


def test_a_session_that_did_not_change_is_the_same_object_in_both() -> None:
    idle, busy = make_backend(1), make_backend(2)
    first = make_snapshot([idle, busy])
    second = replace(first, taken_at=NOW + 2, backends=(idle, replace(busy, query="SELECT 2")))
    player = player_of([Moment(first, ()), Moment(second, ())])
    before, after = player.moment(0, 0).snapshot, player.moment(0, 1).snapshot
    assert after.backends[0] is before.backends[0]
    assert after.backends[1] is not before.backends[1]
    assert after.server is before.server
    assert after.roles is before.roles


def test_a_session_is_the_same_object_in_the_next_block() -> None:
    snapshot = make_snapshot([make_backend(pid) for pid in range(1, 50)])
    items = [items_of([Moment(snapshot, ())]), items_of([Moment(replace(snapshot, taken_at=NOW + 2), ())])]
    player = BlockReader(items.__getitem__)
    before, after = player.moment(0, 0).snapshot, player.moment(1, 0).snapshot
    assert [a is b for a, b in zip(before.backends, after.backends, strict=True)] == [True] * 49


def test_sessions_that_are_equal_cost_nothing() -> None:
    snapshot = make_snapshot([make_backend(pid) for pid in range(1, 500)])
    read_anew = replace(snapshot, backends=tuple(replace(backend) for backend in snapshot.backends))
    encoder = Encoder()
    encoder.encode(Moment(snapshot, ()))
    assert len(encoder.encode(Moment(read_anew, ()))) < 50


def test_texts_are_clean_whatever_the_item_says() -> None:
    hostile = make_backend(1, query="\x1b]0;x\x07\nb", app="\x1b[2J", role="a\u202eb")
    shown = player_of([Moment(make_snapshot([hostile]), ())]).moment(0, 0).snapshot.backends[0]
    assert (shown.query, shown.app, shown.role) == ("␛]0;x␇\nb", "␛[2J", "a�b")


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_come_back(numbers: list[int]) -> None:
    assert unpacked(packed(numbers)) == numbers


@given(st.integers(-(2**61), 2**61))
def test_signed_numbers_come_back(number: int) -> None:
    assert signed(number) >= 0
    assert unsigned(signed(number)) == number


@given(st.floats(allow_nan=False), st.integers(-(2**60), 2**60))
def test_times_come_back(value: float, base_us: int) -> None:
    odd: list[float] = []
    assert time_of(time_code(value, base_us, odd), base_us, odd) == value


@settings(max_examples=300, deadline=None)
@given(sequences(3), st.data())
def test_a_damaged_item_is_a_moment_or_damaged(moments: list[Moment], data: st.DataObject) -> None:
    items = items_of(moments)
    place = data.draw(st.integers(0, len(items) - 1))
    raw = bytearray(items[place][1])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    items[place] = (items[place][0], bytes(raw[:cut] if data.draw(st.booleans()) else raw))
    decoder = Decoder()
    try:
        for taken_at, item in items:
            decoder.apply(taken_at, item)
            moment_of(decoder.state, {}, None)
    except Damaged:
        pass


@pytest.mark.parametrize("item", [b"", b"\xff" * 8, b"\xff\xff\xff\x7f" + b"{}", b"\2\0\0\0{}\xff\xff\xff\xff"])
def test_lengths_that_lie_are_damage(item: bytes) -> None:
    with pytest.raises(Damaged):
        Decoder().apply(NOW, item)


def test_texts_that_were_not_used_for_long_are_forgotten_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "REMEMBERED", 4)
    first = make_snapshot([make_backend(pid, query=f"SELECT {pid}", app=f"app {pid}") for pid in range(1, 10)])
    moments = [Moment(first, ())]
    for step in range(1, 40):
        rows = list(moments[-1].snapshot.backends)
        rows[step % 9] = replace(rows[step % 9], query=f"SELECT {step * 7 % 11}", app=f"app {step * 5 % 13}")
        moments.append(Moment(replace(first, taken_at=NOW + step, backends=tuple(rows)), ()))
    player = player_of(moments)
    assert all(same(player.moment(0, place), moment) for place, moment in enumerate(moments))
