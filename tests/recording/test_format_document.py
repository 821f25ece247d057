"""A reader written from docs/recording-format.md, with nothing of the program, reads what the recorder writes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from pgtop_conn.model.history.moments import Mark, Moment
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.snapshot import Backend
from pgtop_conn.recording.recorder import Recorder
from tests.support.data.factories import NOW, make_backend, make_snapshot
from tests.support.data.moments import sequences, totals_of

FIRST_LINE = b"pgtop-conn recording 1\n"
BLOCK, MOMENT, TOTALS, MARK = 1, 2, 3, 4
FIELDS = ("status", "query", "query_start", "xact_start", "state_change")
BOUND = 2**60

Document = Any
Session = dict[str, Any]


def frames(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and payload of each frame, every checksum compared."""
    assert raw.startswith(FIRST_LINE)
    at, chained = len(FIRST_LINE), 0
    while at < len(raw):
        mark, kind, length, checksum = struct.unpack_from("<4sBII", raw, at)
        payload = raw[at + 13 : at + 13 + length]
        assert (mark, len(payload)) == (b"\xab\x50\xbb\x47", length)
        assert checksum == zlib.crc32(bytes([kind]) + payload, chained if kind == MOMENT else 0)
        if kind in (BLOCK, MOMENT):
            chained = checksum
        yield kind, payload
        at += 13 + length


def us(time: float | None, otherwise: int) -> int:
    return otherwise if time is None or not -BOUND < time * 1e6 < BOUND else round(time * 1e6)


def zigzag(code: int) -> int:
    return -(code + 1) // 2 if code % 2 else code // 2


@dataclass
class Item:
    """One item: its head, its floats, and its numbers, which are taken in their order."""

    head: Document
    floats: Sequence[float]
    numbers: Iterator[int]
    now: int

    @classmethod
    def of(cls, raw: bytes, at: float) -> Item:
        (length,) = struct.unpack_from("<I", raw)
        head, begin = json.loads(raw[4 : 4 + length]), 4 + length
        (count,) = struct.unpack_from("<I", raw, begin)
        floats = struct.unpack_from(f"<{count}d", raw, begin + 4)
        planes = raw[begin + 4 + 8 * count :]
        n = len(planes) // 8
        numbers = [int.from_bytes(planes[i::n], "little", signed=True) for i in range(n)]
        return cls(head, floats, iter(numbers), us(at, 0))

    def take(self, count: int) -> list[int]:
        return [next(self.numbers) for _ in range(count)]

    def positions(self, count: int) -> list[int]:
        found, before = [], -1
        for distance in self.take(count):
            before += distance + 1
            found.append(before)
        return found

    def pids(self, count: int) -> set[int]:
        found, before = set(), 0
        for difference in self.take(count):
            before += difference
            found.add(before)
        return found

    def time(self, code: int, base: int, before: float | None = None) -> float | None:
        if code in (0, 1):
            return before if code else None
        if code < -(2**63) + 2**32:
            return self.floats[code + 2**63]
        return (base - (code - 2 if code > 0 else code)) / 1e6

    def keys(self, count: int) -> list[tuple[int, float | None]]:
        pids, starts = self.take(count), self.take(count)
        found, pid, base = [], 0, self.now
        for difference, code in zip(pids, starts, strict=True):
            pid += zigzag(difference)
            start = self.time(code, base)
            base = us(start, base)
            found.append((pid, start))
        return found


@dataclass
class Block:
    """What is known after the items that were read of a block."""

    known: dict[str, Document] = field(default_factory=lambda: {"locks": None})
    tables: dict[str, list[Document]] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    holders: set[int] = field(default_factory=set)
    leaks: list[Document] = field(default_factory=list)

    def read(self, item: Item) -> None:
        new = list(item.head.get("statement", ()))
        for name in ("lasting", "status", "query_id", "statement", "sentence"):
            self.tables.setdefault(name, []).extend(item.head.get(name, ()))
        self.known |= {name: item.head[name] for name in item.head if name not in (*self.tables, "sessions", "leaks")}
        if "sessions" in item.head:
            self._read_sessions(item, item.head["sessions"], iter(new))
        if item.head.get("locks") is not None:
            _, lost, gained, *_ = item.head["locks"]
            self.holders = self.holders - item.pids(lost) | item.pids(gained)
        elif "locks" in item.head:
            self.holders = set()
        if "leaks" in item.head:
            self.leaks = [self._leak(item, *one) for one in item.head["leaks"]]

    def _read_sessions(self, item: Item, counts: Sequence[int], new: Iterator[Document]) -> None:
        left, came, changed, other = counts
        gone, places = set(item.positions(left)), item.positions(came)
        begun: list[Session] = [{"key": key} for key in item.keys(came)]
        self._put_lasting(item, begun)
        self._put_passing(item, begun, new)
        sessions = [dict(one) for position, one in enumerate(self.sessions) if position not in gone]
        for place, one in zip(places, begun, strict=True):
            sessions.insert(place, one)
        touched = [sessions[position] for position in item.positions(changed)]
        self._put_passing(item, touched, new)
        self._put_lasting(item, [touched[position] for position in item.positions(other)])
        self.sessions = sessions

    def _put_lasting(self, item: Item, sessions: list[Session]) -> None:
        numbers, ports = item.take(len(sessions)), item.take(len(sessions))
        for one, number, port in zip(sessions, numbers, ports, strict=True):
            one |= {"lasting": self.tables["lasting"][number], "port": zigzag(port - 1) if port else None}

    def _put_passing(self, item: Item, sessions: list[Session], new: Iterator[Document]) -> None:
        columns = [item.take(len(sessions)) for _ in FIELDS]
        for one, (status, statement, query, xact, change) in zip(sessions, zip(*columns, strict=True), strict=False):
            started = item.time(query, item.now, one.get("query_start"))
            base = us(started, item.now)
            if statement:
                text, number = next(new) if statement == 1 else self.tables["statement"][statement - 2]
                one["query"] = (text, self.tables["query_id"][number])
            one |= {
                "status": self.tables["status"][status],
                "query_start": started,
                "xact_start": item.time(xact, base, one.get("xact_start")),
                "state_change": item.time(change, base, one.get("state_change")),
            }

    def _leak(
        self, item: Item, which: Document, score: float, sentence: str | None, evidence: Document, partial: bool, n: Any
    ) -> Document:
        was = self.leaks[which] if isinstance(which, int) else {"pool": which, "evidence": {}, "sessions": []}
        left, came, total = n
        gone, places = set(item.positions(left)), item.positions(came)
        keys = [key for position, (key, _) in enumerate(was["sessions"]) if position not in gone]
        for place, key in zip(places, item.keys(came), strict=True):
            keys.insert(place, key)
        words = [self.tables["sentence"][number] for number in item.take(total)]
        return {
            "pool": was["pool"],
            "score": score,
            "sentence": was["sentence"] if sentence is None else sentence,
            "evidence": {**was["evidence"], **evidence} if partial else evidence,
            "sessions": list(zip(keys, words, strict=True)),
        }


def moments(raw: bytes) -> Iterator[tuple[float, float, Block]]:
    """The time of each moment, how long its poll took, and what is known then."""
    block, stream = Block(), zlib.decompressobj(-15)
    for kind, payload in frames(raw):
        if kind == BLOCK:
            assert json.loads(payload).keys() == {"at", "redacted"}
            block, stream = Block(), zlib.decompressobj(-15)
        elif kind == MOMENT:
            (at,) = struct.unpack_from("<d", payload)
            piece = stream.decompress(payload[8:])
            (length,) = struct.unpack_from("<I", piece)
            assert length == len(piece) - 4
            item = Item.of(piece[4:], at)
            block.read(item)
            assert next(item.numbers, None) is None
            yield at, item.floats[0], block


def totals(raw: bytes) -> Iterator[Document]:
    """Totals, their maps filled in."""
    for kind, payload in frames(raw):
        if kind == TOTALS:
            (count,) = struct.unpack_from("<H", payload)
            documents = json.loads(zlib.decompress(payload[2:]))
            assert len(documents) == count
            before: Document = []
            for document in documents:
                maps = [before[place] if document[place] is None else document[place] for place in (6, 7, 8)]
                before = [*document[:6], *maps, *document[9:]]
                yield before


def session_of(backend: Backend) -> Session:
    """A session as the reader gives it."""
    return {
        "key": tuple(backend.key),
        "port": backend.client_port,
        "lasting": [
            *(backend.backend_type, backend.role_oid, backend.role, backend.database_oid, backend.database),
            *(backend.whole_app, backend.client, backend.ssl, backend.leader_pid),
            *(backend.hidden, backend.walsender, backend.by_title),
        ],
        "status": [
            *(backend.state, backend.wait_event_type, backend.wait_event, backend.holds_xmin, backend.wrote),
            *(list(backend.blocked_by), backend.kept_alive),
        ],
        "query": (backend.query, backend.query_id),
        "query_start": backend.query_start,
        "xact_start": backend.xact_start,
        "state_change": backend.state_change,
    }


def leak_of(leak: Leak) -> Document:
    """A leak as the reader gives it."""
    return {
        "pool": [leak.pool.app, leak.pool.role, leak.pool.database],
        "score": leak.score,
        "sentence": leak.sentence,
        "evidence": dict(leak.evidence),
        "sessions": [(tuple(key), words) for key, words in leak.sessions.items()],
    }


def check(raw: bytes, written: Sequence[Moment]) -> None:
    """What is read is what was written."""
    count = 0
    for moment, (at, poll_s, block) in zip(written, moments(raw), strict=True):
        snapshot, server = moment.snapshot, moment.snapshot.server
        assert (at, poll_s) == (snapshot.taken_at, snapshot.poll_s)
        assert block.sessions == [session_of(backend) for backend in snapshot.backends]
        assert block.leaks == [leak_of(leak) for leak in moment.leaks]
        assert block.holders == (snapshot.locks.holders if snapshot.locks is not None else set())
        assert block.known["counts"] == [snapshot.authenticating, snapshot.counted_used, snapshot.counted_exact]
        assert [role[:3] for role in block.known["roles"]] == [[oid, oid, r.name] for oid, r in snapshot.roles.items()]
        assert block.known["databases"] == [
            [oid, oid, one.name, one.connection_limit] for oid, one in snapshot.databases.items()
        ]
        counters = snapshot.counters
        assert block.known["counters"] == (
            [
                *(counters.at, counters.opened, counters.abandoned, counters.fatal, counters.killed),
                *(counters.transactions, counters.numbackends),
            ]
            if counters is not None
            else None
        )
        assert block.known["server"] == [
            *(server.host, server.port, server.database, server.version_num, server.version, server.in_recovery),
            *(server.pooled, server.role, server.superuser, server.sees_all, server.can_signal, server.uses_reserved),
            *(server.own_pid, server.max_connections, server.superuser_reserved, server.reserved),
            *(dict(server.provider_reserved), server.max_wal_senders, server.provider, server.door, server.tls),
            *(list(server.notes), server.started_at, server.system_id, server.timeline, list(server.missing)),
        ]
        count += 1
    assert count == len(written)
    for found, moment in zip(totals(raw), written, strict=True):
        one = totals_of(moment)
        assert found == [
            *(one.at, one.used, one.exact, one.max, one.ordinary_free, one.ordinary_capacity),
            *(dict(one.states), dict(one.apps), {name: list(pair) for name, pair in one.limits.items()}),
            *(one.oldest_idle_s, one.in_transaction, one.started_at),
        ]


def record(path: Path, written: Sequence[Moment]) -> bytes:
    path.unlink(missing_ok=True)
    recorder = Recorder.open(path)
    for moment in written:
        recorder.add(moment, totals_of(moment))
    recorder.close()
    return path.read_bytes()


@settings(max_examples=60)
@given(sequences())
def test_any_moments(tmp_path_factory: pytest.TempPathFactory, written: list[Moment]) -> None:
    check(record(tmp_path_factory.mktemp("recording") / "any.rec", written), written)


def test_a_recording_of_several_blocks_that_was_continued(tmp_path: Path) -> None:
    rows = [make_backend(pid) for pid in range(1, 31)]
    written = []
    for step in range(600):
        at = NOW + 2.0 * step
        rows[step % 30] = replace(rows[step % 30], query=f"SELECT {step}", query_start=at, state_change=at + 0.25)
        written.append(Moment(replace(make_snapshot(rows), taken_at=at), ()))
    path = tmp_path / "long.rec"
    for part in (written[:550], written[550:]):
        recorder = Recorder.open(path)
        for moment in part:
            recorder.add(moment, totals_of(moment))
        recorder.mark(Mark(NOW, "terminate", 4711, "app", "web", "gone", "the cursor"))
        recorder.close()
    raw = path.read_bytes()
    check(raw, written)
    kinds = [kind for kind, _ in frames(raw)]
    assert (kinds.count(BLOCK), kinds.count(MOMENT)) == (3, 600)
    marks = [json.loads(payload) for kind, payload in frames(raw) if kind == MARK]
    assert marks == [[NOW, "terminate", 4711, "app", "web", "gone", "the cursor"]] * 2
