"""Small files that say much: opening, looking and reporting stay within a bound of memory, whatever they unpack to."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.recording.codec.alignment import rearranged
from pgtop_conn.recording.codec.encoder import LENGTH
from pgtop_conn.recording.codec.framing import ITEM_MOST, TIME, FrameKind, frame, title
from pgtop_conn.recording.codec.numbers import floats_packed, packed
from pgtop_conn.recording.codec.parts import server_document
from tests.support.data.factories import NOW, make_own, make_snapshot

#: Address space of the process that reads: Python, what it loads, and a few times what a moment may be.
MEMORY = 900 * 2**20
SERVER = server_document(make_snapshot([make_own()]).server)
#: Reads every total and every moment, as `report` and `replay` do between them.
READ = """
import resource, sys
from pathlib import Path
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.recording.recording import Recording
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
with Recording.open(Path(sys.argv[1])) as recording:
    for place in range(len(recording.times)):
        for read in (recording.moment, recording.totals.__getitem__):
            try:
                read(place)
            except PgtopError as error:
                print(error)
"""


def item(head: Mapping[str, object] | bytes, numbers: Sequence[int] = (), floats: int = 1) -> bytes:
    """An item of the block's stream."""
    text = head if isinstance(head, bytes) else json.dumps({"server": SERVER, **head}, separators=(",", ":")).encode()
    odd = floats_packed([0.0]) * floats
    return b"".join((LENGTH.pack(len(text)), text, LENGTH.pack(floats), odd, packed(numbers)))


def written(path: Path, items: Sequence[bytes], totals: bytes = b"") -> None:
    """A recording of one block, packed as well as can be."""
    raw, crc = frame(FrameKind.BLOCK, b"{}")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [title(), raw]
    for number, one in enumerate(items):
        piece = packer.compress(LENGTH.pack(len(one)) + one) + packer.flush(zlib.Z_SYNC_FLUSH)
        raw, crc = frame(FrameKind.MOMENT, TIME.pack(NOW + number) + piece, crc)
        pieces.append(raw)
    if totals:
        pieces.append(frame(FrameKind.TOTALS, struct.pack("<H", len(items)) + zlib.compress(totals, 9))[0])
    path.write_bytes(b"".join(pieces))


def sessions(count: int) -> bytes:
    """A moment with so many sessions that are all alike but for their pids."""
    lasting = ["client backend", 1, "r", 1, "d", "a", "c", None, None, False, False, False]
    head = {
        "lasting": [lasting],
        "status": [["idle", "", "", False, False, []]],
        "query_id": [None],
        "statement": [["", 0]],
        "sessions": [0, count, 0, 0],
    }
    statements = [1, *[2] * (count - 1)]
    return item(
        head,
        [*[0] * count, *[2] * count, *[2] * count, *[0] * (2 * count), *[0] * count, *statements, *[0] * (3 * count)],
    )


MUCH = ITEM_MOST - 4096


def head_of(name: str, values: bytes) -> bytes:
    """A head of a server and this list, as JSON."""
    return b'{"server":%s,"%s":[%s]}' % (json.dumps(SERVER).encode(), name.encode(), values)


def states() -> list[bytes]:
    one = b'[null,"","",false,false,[]]'
    return [item(head_of("status", b",".join([one] * (MUCH // 28))))]


def queries() -> list[bytes]:
    """As long as a server lets them be, and nothing in them can be shown."""
    text = b'["%s",0]' % ("\u200b".encode() * 2**20)
    heads = [head_of("query_id", b"null"), *[head_of("statement", text)] * 20]
    return [item(head) for head in heads]


def counted(names: int) -> bytes:
    totals = [NOW, 1, True, 9, 9, 9, {}, {f"a{number}": 1 for number in range(names)}, {}, None, 0, None]
    return json.dumps([totals]).encode()


#: Items of a block, and its totals.
BOMBS: dict[str, Callable[[], tuple[list[bytes], bytes]]] = {
    "empty lists": lambda: ([item(head_of("leaks", b"[]," * (MUCH // 3) + b"[]"))], b""),
    "states": lambda: (states(), b""),
    "one text": lambda: ([item(head_of("sentence", b'"%s"' % ("\u200b".encode() * (MUCH // 3))))], b""),
    "wide text": lambda: ([item(head_of("sentence", b'"%s"' % (b"a" * (MUCH // 2) + "😀".encode())))], b""),
    "queries": lambda: (queries(), b""),
    "nulls": lambda: ([item(head_of("query_id", b"null," * (MUCH // 5) + b"null"))], b""),
    "numbers": lambda: ([item({}, [0] * (MUCH // 8))], b""),
    "floats": lambda: ([item({}, floats=MUCH // 8)], b""),
    "sessions": lambda: ([sessions(100_000), sessions(100_000)], b""),
    "damage before many": lambda: ([item(head_of("status", b"[]"), [0] * 10_000)] * 500, b""),
    "totals": lambda: ([item({})], b"[" + b"[]," * 2_700_000 + b"[]]"),
    "names": lambda: ([item({})], counted(600_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_takes_no_more_memory_than_a_large_one(tmp_path: Path, name: str) -> None:
    items, totals = BOMBS[name]()
    written(tmp_path / "r", items, totals)
    assert (tmp_path / "r").stat().st_size < 3_000_000
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "r"), str(MEMORY)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@given(st.lists(st.integers()), st.data())
def test_what_came_is_where_it_was_said_to_be(old: list[int], data: st.DataObject) -> None:
    removed = sorted(data.draw(st.sets(st.sampled_from(range(len(old))))) if old else ())
    total = len(old) - len(removed) + data.draw(st.integers(0, 5))
    added = sorted(data.draw(st.sets(st.sampled_from(range(total)), max_size=5)) if total else ())
    came = [f"new {position}" for position in added]
    kept: list[object] = [one for place, one in enumerate(old) if place not in removed]
    for position, one in zip(added, came, strict=True):
        kept.insert(position, one)
    assert rearranged(list[object](old), removed, added, came) == kept
