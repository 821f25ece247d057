"""Moments to bytes: the first of a block is whole, each later one is what differs from the one before it.

An item is the length of its head (32 bits), the head as JSON, the count of floats (32 bits), those, and numbers.
What each name of the head means, and the order of the numbers, is said where it is written, here.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import islice
from operator import attrgetter

from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.locks import Locks
from pgtop_conn.model.snapshot import Backend, BackendKey, Server, Snapshot
from pgtop_conn.recording.codec.alignment import align
from pgtop_conn.recording.codec.numbers import SAME, floats_packed, gaps, micros, packed, signed, time_code
from pgtop_conn.recording.codec.parts import counters_document, databases_document, roles_document, server_document
from pgtop_conn.recording.codec.rows import lasting_of, passing_of, status_of

LENGTH = struct.Struct("<I")
#: Codes of a statement: as it was, and the next one of those that are new; a later code is one of the block's.
SAME_STATEMENT, NEW_STATEMENT = 0, 1
FIRST_STATEMENT = 2
#: Things of a table that are remembered: texts with literals of their own would fill the memory.
REMEMBERED = 1024

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_key_of: Callable[[Backend], BackendKey] = attrgetter("key")


class ItemTable:
    """Things that occur again, by number; `new` are those that the item at hand has added.

    Those that were not used for long are forgotten, and get another number when they come again.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._count = 0
        self.new: list[object] = []

    def find(self, one: Hashable) -> int | None:
        """Which one it is, where it is known."""
        number = self._numbers.pop(one, None)
        if number is not None:
            self._numbers[one] = number
        return number

    def add(self, one: Hashable, told: object) -> int:
        """Number it; `told` is what the item says of it."""
        if len(self._numbers) >= REMEMBERED:
            for oldest in list(islice(self._numbers, REMEMBERED // 2)):
                del self._numbers[oldest]
        number = self._numbers[one] = self._count
        self._count += 1
        self.new.append(told)
        return number

    def number(self, one: Hashable) -> int:
        """Which one it is."""
        number = self.find(one)
        return self.add(one, one) if number is None else number

    def taken(self) -> list[object]:
        """What is new, once."""
        new, self.new = self.new, []
        return new


class Encoder:
    """Makes the items of one block. `text_of` is what is kept of a query."""

    def __init__(self, text_of: Callable[[str], str] = lambda query: query) -> None:
        self._text_of = text_of
        self._backends: tuple[Backend, ...] = ()
        self._tables = {name: ItemTable() for name in ("lasting", "status", "query_id", "statement", "sentence")}
        self._server: Server | None = None
        self._slow: dict[str, object] = {}
        self._locks: Locks | None = None
        self._leaks: tuple[Leak, ...] = ()
        self._counts: tuple[object, ...] = ()
        self._at_us = 0
        self._odd: list[float] = []

    def encode(self, moment: Moment) -> bytes:
        """The next item; its time, `taken_at`, is kept outside."""
        snapshot = moment.snapshot
        self._at_us = micros(snapshot.taken_at)
        self._odd = [snapshot.poll_s]
        head: dict[str, object] = {}
        numbers: list[int] = []
        self._put_slow(snapshot, head)
        self._put_sessions(snapshot.backends, head, numbers)
        self._put_locks(snapshot.locks, head, numbers)
        self._put_leaks(moment.leaks, head, numbers)
        for name, table in self._tables.items():
            if table.new:
                head[name] = table.taken()
        text = _json(head).encode("utf-8", errors="replace")
        floats = floats_packed(self._odd)
        return b"".join(
            (LENGTH.pack(len(text)), text, LENGTH.pack(len(self._odd)), floats, packed(numbers)),
        )

    def _put_slow(self, snapshot: Snapshot, head: dict[str, object]) -> None:
        """`server`, `roles`, `databases`, `counters` where they changed, and `counts`."""
        if snapshot.server is not self._server:
            self._server = snapshot.server
            # Compared by what it says: another reading of the same is another object.
            self._put_changed("server", server_document(snapshot.server), _itself, head)
        self._put_changed("roles", snapshot.roles, roles_document, head)
        self._put_changed("databases", snapshot.databases, databases_document, head)
        self._put_changed("counters", snapshot.counters, counters_document, head)
        counts = (snapshot.authenticating, snapshot.counted_used, snapshot.counted_exact)
        if counts != self._counts:
            self._counts = counts
            head["counts"] = counts

    def _put_changed(self, name: str, part: object, document: Callable[..., object], head: dict[str, object]) -> None:
        if name not in self._slow or (self._slow[name] is not part and self._slow[name] != part):
            head[name] = document(part)
        self._slow[name] = part

    def _put_sessions(self, new: tuple[Backend, ...], head: dict[str, object], numbers: list[int]) -> None:
        """`sessions` counts those that left, came, changed, and of these the ones whose LASTING or port changed.

        Numbers: the positions of those that left; position, pid, start, lasting, port of those who came, and their
        passing columns; positions and passing columns of those that changed; which of them, lasting, port.
        """
        old, self._backends = self._backends, new
        alignment = align(old, new, _key_of)
        changed, other = self._changed(old, new, alignment.stayed)
        removed, added = alignment.removed, alignment.added
        if not (removed or added or changed):
            return
        head["sessions"] = (len(removed), len(added), len(changed), len(other))
        numbers += gaps(removed)
        numbers += gaps(added)
        came = [new[position] for position in added]
        self._put_keys([backend.key for backend in came], numbers)
        self._put_lasting(came, numbers)
        self._put_passing(came, [None] * len(came), numbers)
        numbers += gaps([position for position, _before in changed])
        self._put_passing([new[now] for now, _ in changed], [old[before] for _, before in changed], numbers)
        numbers += gaps(other)
        self._put_lasting([new[changed[place][0]] for place in other], numbers)

    def _changed(
        self, old: Sequence[Backend], new: Sequence[Backend], stayed: Sequence[tuple[int, int]]
    ) -> tuple[list[tuple[int, int]], list[int]]:
        """Those that are really another, and which of these have another LASTING or port."""
        changed: list[tuple[int, int]] = []
        other: list[int] = []
        for pair in stayed:
            now, before = new[pair[0]], old[pair[1]]
            moved = now.client_port != before.client_port or lasting_of(now) != lasting_of(before)
            if moved or passing_of(now) != passing_of(before):
                if moved:
                    other.append(len(changed))
                changed.append(pair)
        return changed, other

    def _put_keys(self, keys: Sequence[BackendKey], numbers: list[int]) -> None:
        """Pids from the pid before, and starts from the start before."""
        pid_before, start_before = 0, self._at_us
        starts = []
        for pid, start in keys:
            numbers.append(signed(pid - pid_before))
            starts.append(time_code(start, start_before, self._odd))
            pid_before, start_before = pid, micros(start, start_before)
        numbers += starts

    def _put_lasting(self, backends: Sequence[Backend], numbers: list[int]) -> None:
        """0 for no port."""
        number = self._tables["lasting"].number
        numbers += [number(lasting_of(backend)) for backend in backends]
        numbers += [0 if backend.client_port is None else signed(backend.client_port) + 1 for backend in backends]

    def _put_passing(self, backends: Sequence[Backend], before: Sequence[Backend | None], numbers: list[int]) -> None:
        """Status, statement, query_start from the poll, the other times from query_start where that is known."""
        statuses, statements, queries, transactions, changes = [], [], [], [], []
        status_number, odd, at_us = self._tables["status"].number, self._odd, self._at_us
        for now, then in zip(backends, before, strict=True):
            statuses.append(status_number(status_of(now)))
            if then is not None and then.query == now.query and then.query_id == now.query_id:
                statements.append(SAME_STATEMENT)
            else:
                statements.append(self._statement_code(now))
            query_start, xact_start, state_change = now.query_start, now.xact_start, now.state_change
            base_us = micros(query_start, at_us)
            if then is None:
                queries.append(time_code(query_start, at_us, odd))
                transactions.append(time_code(xact_start, base_us, odd))
                changes.append(time_code(state_change, base_us, odd))
                continue
            queries.append(SAME if query_start == then.query_start else time_code(query_start, at_us, odd))
            transactions.append(SAME if xact_start == then.xact_start else time_code(xact_start, base_us, odd))
            changes.append(SAME if state_change == then.state_change else time_code(state_change, base_us, odd))
        for column in (statuses, statements, queries, transactions, changes):
            numbers += column

    def _statement_code(self, backend: Backend) -> int:
        table = self._tables["statement"]
        statement = (backend.query, backend.query_id)
        known = table.find(statement)
        if known is not None:
            return known + FIRST_STATEMENT
        table.add(statement, (self._text_of(backend.query), self._tables["query_id"].number(backend.query_id)))
        return NEW_STATEMENT

    def _put_locks(self, locks: Locks | None, head: dict[str, object], numbers: list[int]) -> None:
        """`locks`: their time, how many no longer hold any, how many do now, and who holds advisory ones and slots.

        Numbers: the pids of the first two.
        """
        before = self._locks
        if locks is before or (locks is not None and locks == before):
            return
        self._locks = locks
        if locks is None:
            head["locks"] = None
            return
        held = before.holders if before is not None else frozenset()
        lost, gained = sorted(held - locks.holders), sorted(locks.holders - held)
        head["locks"] = (locks.at, len(lost), len(gained), sorted(locks.advisory), sorted(locks.slots))
        for pids in (lost, gained):
            numbers += [later - earlier for earlier, later in zip((0, *pids), pids, strict=False)]

    def _put_leaks(self, leaks: tuple[Leak, ...], head: dict[str, object], numbers: list[int]) -> None:
        """`leaks`, where any changed: each as _leak() says."""
        before = self._leaks
        if leaks is before or leaks == before:
            return
        self._leaks = leaks
        known = {leak.pool: (place, leak) for place, leak in enumerate(before)}
        head["leaks"] = [self._leak(leak, known.get(leak.pool), numbers) for leak in leaks]

    def _leak(self, leak: Leak, known: tuple[int, Leak] | None, numbers: list[int]) -> list[object]:
        """Where it was among the leaks before, or its pool; score; sentence; evidence that changed, or all of it and
        whether that is so; how many of its sessions are no more, are new, and how many there are.

        Numbers: positions of both among the sessions, keys of the new ones, the sentence of each.
        """
        pool = leak.pool
        place, before = known or (0, None)
        evidence = before.evidence if before is not None else {}
        partial = before is not None and list(evidence) == list(leak.evidence)
        told = {name: value for name, value in leak.evidence.items() if not partial or evidence[name] != value}
        keys = tuple(leak.sessions)
        alignment = align(tuple(before.sessions) if before is not None else (), keys, lambda key: key)
        numbers += gaps(alignment.removed)
        numbers += gaps(alignment.added)
        self._put_keys([keys[position] for position in alignment.added], numbers)
        number = self._tables["sentence"].number
        numbers += [number(sentence) for sentence in leak.sessions.values()]
        return [
            place if before is not None else (pool.app, pool.role, pool.database),
            leak.score,
            None if before is not None and before.sentence == leak.sentence else leak.sentence,
            _plain(told),
            partial,
            (len(alignment.removed), len(alignment.added), len(keys)),
        ]


def _itself(document: object) -> object:
    return document


def _plain(evidence: Mapping[str, object]) -> dict[str, object]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in evidence.items()}
