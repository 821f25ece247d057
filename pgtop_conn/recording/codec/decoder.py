"""Bytes to moments. Whatever the bytes are, they give a moment or Damaged; every text is cleaned where it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.locks import Locks
from pgtop_conn.model.snapshot import Backend, BackendKey, Counters, Database, Role, Server, Snapshot
from pgtop_conn.model.text import clean, clean_query
from pgtop_conn.recording.codec.alignment import rearranged
from pgtop_conn.recording.codec.encoder import FIRST_STATEMENT, LENGTH, NEW_STATEMENT, SAME_STATEMENT
from pgtop_conn.recording.codec.numbers import (
    SAME,
    Columns,
    Damaged,
    floats_unpacked,
    json_value,
    micros,
    time_of,
    unpacked,
    unsigned,
)
from pgtop_conn.recording.codec.parts import (
    counters_of,
    databases_of,
    flag,
    maybe,
    real,
    roles_of,
    server_of,
    several,
    text,
    whole,
)
from pgtop_conn.recording.codec.rows import Lasting, Row, Statement, Status, is_of, made

#: No server has so many sessions.
MOST_SESSIONS = 100_000
#: Things of one kind that a block has, for the same reason.
MOST_ENTRIES = 200_000
#: Characters of a query: what track_activity_query_size can be, and then some for what is shown of broken ones.
QUERY_MOST = 2**21
#: Evidence of a leak is nested no deeper.
_DEEPEST = 4
_WRONG = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, StopIteration)

_lasting_kinds = (
    *(maybe(text), whole, text, whole, text, text, text),
    *(maybe(flag), maybe(whole), flag, flag, flag),
)
Head = Mapping[str, object]


@dataclass(slots=True)
class Tables:
    """What occurs again in a block, by number; they only grow."""

    lasting: list[Lasting] = field(default_factory=list)
    status: list[Status] = field(default_factory=list)
    query_id: list[int | None] = field(default_factory=list)
    statement: list[Statement] = field(default_factory=list)
    sentence: list[str] = field(default_factory=list)

    def lengths(self) -> tuple[int, ...]:
        """How far they have grown."""
        return len(self.lasting), len(self.status), len(self.query_id), len(self.statement), len(self.sentence)

    def cut(self, lengths: tuple[int, ...]) -> None:
        """As they were then."""
        lasting, status, query_id, statement, sentence = lengths
        del self.lasting[lasting:], self.status[status:], self.query_id[query_id:]
        del self.statement[statement:], self.sentence[sentence:]

    def learn(self, head: Head) -> None:
        """Take in what an item adds. Raises Damaged."""
        self.lasting += [_lasting(one) for one in several(head.get("lasting", []))]
        self.status += [_status(one) for one in several(head.get("status", []))]
        self.query_id += map(maybe(whole), several(head.get("query_id", [])))
        self.statement += [_statement(one, self.query_id) for one in several(head.get("statement", []))]
        self.sentence += map(text, several(head.get("sentence", [])))
        if max(self.lengths()) > MOST_ENTRIES:
            raise Damaged("a block's tables are too long")


@dataclass(frozen=True, slots=True)
class State:
    """A moment of a block, before its sessions are made: nothing in it is changed afterwards."""

    taken_at: float = 0.0
    poll_s: float = 0.0
    rows: Sequence[Row] = ()
    server: Server | None = None
    roles: Mapping[int, Role] = field(default_factory=dict)
    databases: Mapping[int, Database] = field(default_factory=dict)
    counters: Counters | None = None
    locks: Locks | None = None
    leaks: tuple[Leak, ...] = ()
    counts: tuple[int, int | None, bool] = (0, None, True)


class Decoder:
    """Reads the items of one block in their order; `state` is that of the last one."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.state = State()

    def apply(self, taken_at: float, item: bytes) -> None:
        """The next item. Raises Damaged, and is of no more use then."""
        try:
            self.state = self._applied(taken_at, item)
        except _WRONG as error:
            raise Damaged(f"what is read makes no sense ({type(error).__name__})") from None

    def _applied(self, taken_at: float, item: bytes) -> State:
        head, odd, columns = _split(item)
        known = len(self.tables.statement)
        self.tables.learn(head)
        before, at_us = self.state, micros(taken_at)
        if not isfinite(taken_at) or not odd:
            raise Damaged("a time is missing")
        reading = _Reading(self.tables, columns, odd, at_us, iter(self.tables.statement[known:]))
        rows = reading.rows(before.rows, head)
        locks = reading.locks(before.locks, head)
        leaks = reading.leaks(before.leaks, head)
        server = server_of(head["server"]) if "server" in head else before.server
        if server is None:
            raise Damaged("there is no server")
        return State(
            taken_at,
            odd[0],
            rows,
            server,
            roles_of(head["roles"]) if "roles" in head else before.roles,
            databases_of(head["databases"]) if "databases" in head else before.databases,
            counters_of(head["counters"]) if "counters" in head else before.counters,
            locks,
            leaks,
            _counts(head["counts"]) if "counts" in head else before.counts,
        )


@dataclass(frozen=True, slots=True)
class _Reading:
    """One item: takes its numbers in the order in which the encoder put them."""

    tables: Tables
    columns: Columns
    odd: Sequence[float]
    at_us: int
    new_statements: Iterator[Statement]

    def rows(self, before: Sequence[Row], head: Head) -> Sequence[Row]:
        if "sessions" not in head:
            return before
        left, came, changed, other = several(head["sessions"])
        removed = self.columns.ascending(left, len(before))
        total = len(before) - len(removed) + whole(came)
        if total > MOST_SESSIONS:
            raise Damaged("there are too many sessions")
        added = self.columns.ascending(came, total)
        new = [
            Row(key, port, lasting, *passing)
            for key, (lasting, port), passing in zip(
                self._keys(len(added)), self._lasting(len(added)), self._passing([None] * len(added)), strict=True
            )
        ]
        rows = rearranged(before, removed, added, new)
        positions = self.columns.ascending(changed, len(rows))
        for position, passing in zip(positions, self._passing([rows[p] for p in positions]), strict=True):
            row = rows[position]
            rows[position] = Row(row.key, row.client_port, row.lasting, *passing)
        places = self.columns.ascending(other, len(positions))
        for place, (lasting, port) in zip(places, self._lasting(len(places)), strict=True):
            rows[positions[place]] = rows[positions[place]]._replace(lasting=lasting, client_port=port)
        return rows

    def _keys(self, count: int) -> list[BackendKey]:
        pids, starts = self.columns.take(count), self.columns.take(count)
        pid, start_us, keys = 0, self.at_us, []
        for difference, code in zip(pids, starts, strict=True):
            pid = whole(pid + unsigned(difference))
            start = time_of(code, start_us, self.odd)
            start_us = micros(start, start_us)
            keys.append(BackendKey(pid, start))
        return keys

    def _lasting(self, count: int) -> list[tuple[Lasting, int | None]]:
        numbers, ports = self.columns.take(count), self.columns.take(count)
        table = self.tables.lasting
        return [
            (table[_index(number)], None if port == 0 else unsigned(port - 1))
            for number, port in zip(numbers, ports, strict=True)
        ]

    def _passing(
        self, before: Sequence[Row | None]
    ) -> list[tuple[Status, Statement, float | None, float | None, float | None]]:
        count = len(before)
        statuses, statements, queries, transactions, changes = (self.columns.take(count) for _ in range(5))
        passing = []
        at_us, odd, table = self.at_us, self.odd, self.tables
        for row, status, statement, query, transaction, change in zip(
            before, statuses, statements, queries, transactions, changes, strict=True
        ):
            if statement == NEW_STATEMENT:
                text_of = next(self.new_statements)
            elif statement == SAME_STATEMENT:
                text_of = _known(row).statement
            else:
                text_of = table.statement[_index(statement - FIRST_STATEMENT)]
            query_start = _known(row).query_start if query == SAME else time_of(query, at_us, odd)
            base_us = micros(query_start, at_us)
            xact_start = _known(row).xact_start if transaction == SAME else time_of(transaction, base_us, odd)
            state_change = _known(row).state_change if change == SAME else time_of(change, base_us, odd)
            passing.append((table.status[_index(status)], text_of, xact_start, query_start, state_change))
        return passing

    def locks(self, before: Locks | None, head: Head) -> Locks | None:
        if "locks" not in head:
            return before
        if head["locks"] is None:
            return None
        at, lost, gained, *special = several(head["locks"])
        holders = before.holders if before is not None else frozenset()
        # Recordings of earlier versions don't have the last two.
        advisory, slots = (frozenset(map(whole, several(pids))) for pids in (special or ([], [])))
        return Locks(real(at), (holders - self._pids(lost)) | self._pids(gained), advisory, slots)

    def _pids(self, count: object) -> frozenset[int]:
        pid, pids = 0, []
        for difference in self.columns.take(count):
            pid += difference
            pids.append(pid)
        return frozenset(pids)

    def leaks(self, before: tuple[Leak, ...], head: Head) -> tuple[Leak, ...]:
        if "leaks" not in head:
            return before
        return tuple(self._leak(before, several(one)) for one in several(head["leaks"]))

    def _leak(self, before: tuple[Leak, ...], document: Sequence[object]) -> Leak:
        which, score, sentence, evidence, partial, counts = document
        was = before[_index(whole(which))] if not isinstance(which, list) else None
        pool = was.pool if was is not None else Pool(*map(text, several(which)))
        told = _evidence(evidence)
        if flag(partial) and was is not None:
            told = {**was.evidence, **told}
        left, came, total = several(counts)
        keys = tuple(was.sessions) if was is not None else ()
        removed = self.columns.ascending(left, len(keys))
        added = self.columns.ascending(came, whole(total))
        keys = tuple(rearranged(keys, removed, added, self._keys(len(added))))
        sentences = [self.tables.sentence[_index(number)] for number in self.columns.take(total)]
        return Leak(
            pool,
            real(score),
            was.sentence if sentence is None and was is not None else text(sentence),
            told,
            dict(zip(keys, sentences, strict=True)),
        )


def moment_of(state: State, earlier: Mapping[int, tuple[Row, Backend]], before: Snapshot | None) -> Moment:
    """The moment with its sessions; one that is unchanged since `before` is the same object in both.

    `earlier` has sessions that are made already by the identity of their rows. Raises Damaged.
    """
    server = state.server
    if server is None:
        raise Damaged("there is no moment yet")
    authenticating, counted_used, counted_exact = state.counts
    return Moment(
        Snapshot(
            taken_at=state.taken_at,
            server=server,
            backends=tuple(_backend(row, earlier, before) for row in state.rows),
            roles=state.roles,
            databases=state.databases,
            authenticating=authenticating,
            counted_used=counted_used,
            counted_exact=counted_exact,
            counters=state.counters,
            locks=state.locks,
            poll_s=state.poll_s,
        ),
        state.leaks,
    )


def _backend(row: Row, earlier: Mapping[int, tuple[Row, Backend]], before: Snapshot | None) -> Backend:
    known = earlier.get(id(row))
    if known is not None and known[0] is row:
        return known[1]
    # Of another block, whose rows are others.
    same = before.by_key.get(row.key) if before is not None else None
    return same if same is not None and is_of(same, row) else made(row)


def _split(item: bytes) -> tuple[Head, Sequence[float], Columns]:
    """Raises Damaged, or ValueError for what is no JSON."""
    if len(item) < 2 * LENGTH.size:
        raise Damaged("an item is cut off")
    (length,) = LENGTH.unpack_from(item)
    end = LENGTH.size + length
    if end + LENGTH.size > len(item):
        raise Damaged("a head is cut off")
    head = json_value(item[LENGTH.size : end])
    (count,) = LENGTH.unpack_from(item, end)
    begin = end + LENGTH.size
    numbers = begin + 8 * count
    if numbers > len(item) or not isinstance(head, dict):
        raise Damaged("floats are cut off")
    return head, floats_unpacked(item[begin:numbers]), Columns(unpacked(item[numbers:]))


def _index(number: int) -> int:
    if number < 0:
        raise Damaged("a number is out of range")
    return number


def _known(row: Row | None) -> Row:
    if row is None:
        raise Damaged("there is nothing before")
    return row


def _lasting(document: object) -> Lasting:
    values = several(document)
    if len(values) != len(_lasting_kinds):
        raise Damaged("a session is not whole")
    found: Lasting = tuple(kind(value) for kind, value in zip(_lasting_kinds, values, strict=True))  # type: ignore[assignment]
    return found


def _status(document: object) -> Status:
    state, wait_event_type, wait_event, holds_xmin, wrote, blocked_by, *kept_alive = several(document)
    if len(kept_alive) > 1:
        raise Damaged("a session has too many parts")
    return (
        maybe(text)(state),
        text(wait_event_type),
        text(wait_event),
        flag(holds_xmin),
        flag(wrote),
        tuple(dict.fromkeys(map(whole, several(blocked_by)))),
        # Recordings of earlier versions don't have it.
        flag(kept_alive[0]) if kept_alive else False,
    )


def _statement(document: object, query_ids: Sequence[int | None]) -> Statement:
    query, query_id = several(document)
    if not isinstance(query, str) or len(query) > QUERY_MOST:
        raise Damaged("expected a text")
    return clean_query(query), query_ids[_index(whole(query_id))]


def _counts(document: object) -> tuple[int, int | None, bool]:
    authenticating, counted_used, counted_exact = several(document)
    return whole(authenticating), maybe(whole)(counted_used), flag(counted_exact)


def _evidence(document: object) -> dict[str, object]:
    if not isinstance(document, dict):
        raise Damaged("expected evidence")
    return {clean(name): _harmless(value, _DEEPEST) for name, value in document.items()}


def _harmless(value: object, deepest: int) -> object:
    """Plain data with clean texts."""
    if isinstance(value, str):
        return clean(value)
    if deepest and isinstance(value, list):
        return [_harmless(one, deepest - 1) for one in value]
    if deepest and isinstance(value, dict):
        return {clean(name): _harmless(one, deepest - 1) for name, one in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    raise Damaged("evidence is nested too deep")
