"""What a recording costs: bytes a day, time to open one of a day, time to jump anywhere in it.

python benchmarks/recording.py [--sessions 500,2000] [--hours 24] [--interval 2] [--changed 5] [--folder DIR]

The load is made up, and fixed by its seed: each poll so many per cent of the sessions have run another statement, with
literals of its own in a third of them; sessions come and go, a few wait for locks, counters and locks are read as often
as they are from a server. A moment's memory and time in the ring are measured on the same polls.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.locks import Locks
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, Counters, Database, Snapshot
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.recording.ring import Ring
from tests.support.data.factories import make_backend, make_role, make_server

BEGIN = 1_772_366_400.0
APPS = ("web-frontend", "api-gateway", "checkout-svc", "billing-worker", "sidekiq", "celery@worker-07", "metabase")
ROLES = ("app_rw", "app_ro", "etl", "report", "billing")
DATABASES = ("shop", "billing", "analytics")
TABLES = ("orders", "customers", "invoices", "products", "stock", "payments", "sessions", "events")
JUMPS = 40
#: Adding up takes longer than all the rest.
ADDED_UP_EVERY = 3


def micros(seconds: float) -> float:
    """As servers count."""
    return round(seconds * 1e6) / 1e6


class Load:
    """Polls of a server, one after another."""

    def __init__(self, sessions: int, changed_percent: float, interval_s: float) -> None:
        self._random = random.Random(sessions)
        self._interval_s = interval_s
        self._at = BEGIN
        self._pid = 1000
        self._changes = max(1, round(sessions * changed_percent / 100))
        self._roles = MappingProxyType({16_384 + n: make_role(16_384 + n, name) for n, name in enumerate(ROLES)})
        self._databases = MappingProxyType({n: Database(n, name, -1) for n, name in enumerate(DATABASES, 5)})
        self._server = make_server(max_connections=sessions + 100, own_pid=1001, started_at=BEGIN - 9e5)
        self._rows = [self._session() for _ in range(sessions)]
        self._counters = Counters(BEGIN, sessions, 3, 1, 0, 10**7, sessions)
        self._locks = Locks(BEGIN, frozenset())

    def polls(self, count: int) -> Iterator[Snapshot]:
        """So many."""
        for number in range(count):
            self._at = micros(self._at + self._interval_s + self._random.random() / 100)
            for position in self._random.sample(range(len(self._rows)), self._changes):
                self._rows[position] = self._later(self._rows[position])
            if self._random.random() < 0.2:
                position = self._random.randrange(len(self._rows))
                del self._rows[position]
                self._rows.insert(self._random.randrange(len(self._rows) + 1), self._session())
            if number % max(1, round(5 / self._interval_s)) == 0:
                self._counters = replace(self._counters, at=self._at, transactions=self._counters.transactions + 4711)
            if number % max(1, round(10 / self._interval_s)) == 0:
                busy = [row.pid for row in self._rows if row.state != "idle"]
                self._locks = Locks(self._at, frozenset(busy))
            yield Snapshot(
                taken_at=self._at,
                server=self._server,
                backends=tuple(self._rows),
                roles=self._roles,
                databases=self._databases,
                counters=self._counters,
                locks=self._locks,
                poll_s=0.02 + self._random.random() / 100,
            )

    def _statement(self) -> tuple[str, int]:
        table = self._random.choice(TABLES)
        number = self._random.randrange(25)
        literal = f"{self._random.randrange(100_000)}" if self._random.random() < 0.33 else "$1"
        text = f"SELECT id, state, total_{number}\n  FROM {table}\n WHERE id = {literal} AND state <> 'done' LIMIT 50"
        return text, hash((table, number)) & (2**62 - 1)

    def _session(self) -> Backend:
        self._pid += self._random.randrange(1, 4)
        role = self._random.randrange(len(ROLES))
        database = self._random.randrange(len(DATABASES))
        query, query_id = self._statement()
        at = micros(self._at - self._random.random() * 60)
        return make_backend(
            self._pid,
            backend_start=micros(at - 20 - self._random.random() * 30_000),
            role=ROLES[role],
            role_oid=16_384 + role,
            database=DATABASES[database],
            database_oid=5 + database,
            app=self._random.choice(APPS),
            client=f"10.2.0.{self._random.randrange(20)}",
            client_port=self._random.randrange(20_000, 60_000),
            query=query,
            query_id=query_id,
            query_start=at,
            state_change=micros(at + self._random.expovariate(50)),
            wait_event_type="Client",
            wait_event="ClientRead",
        )

    def _later(self, row: Backend) -> Backend:
        query, query_id = self._statement()
        began = micros(self._at - self._random.random() * self._interval_s)
        draw = self._random.random()
        state, wait = ("idle", ("Client", "ClientRead"))
        ended = micros(began + self._random.expovariate(50))
        if draw < 0.12:
            state, wait, ended = "active", ("", ""), began
        elif draw < 0.22:
            state = "idle in transaction"
        return replace(
            row,
            state=state,
            wait_event_type=wait[0],
            wait_event=wait[1],
            query=query,
            query_id=query_id,
            query_start=began,
            state_change=ended,
            xact_start=None if state == "idle" else micros(began - self._random.expovariate(20)),
            wrote=state != "idle" and draw < 0.05,
            holds_xmin=state == "active",
        )


def say(text: str) -> None:
    """At once: a day takes minutes to make."""
    sys.stdout.write(text)
    sys.stdout.flush()


def seconds(since: float) -> float:
    """Since then."""
    return time.perf_counter() - since


def record(path: Path, load: Load, count: int) -> tuple[float, float]:
    """Seconds of the processor that a poll costs in the ring, and in the file: medians."""
    recorder, ring = Recorder.open(path), Ring()
    in_ring: list[float] = []
    in_file: list[float] = []
    totals: Totals | None = None
    for number, snapshot in enumerate(load.polls(count)):
        moment = Moment(snapshot, ())
        if totals is None or number % ADDED_UP_EVERY == 0:
            totals = Totals.of(snapshot, SlotBudget.of(snapshot))
        totals = replace(totals, at=snapshot.taken_at)
        if len(in_ring) < 2000:
            began = time.process_time()
            ring.add(moment, totals)
            in_ring.append(time.process_time() - began)
        began = time.process_time()
        recorder.add(moment, totals)
        in_file.append(time.process_time() - began)
    recorder.close()
    say(f"  ring: {ring.size / len(in_ring):,.0f} bytes a moment over {len(in_ring)} polls\n")
    return median(in_ring), median(in_file)


def measure(path: Path, sessions: int, given: argparse.Namespace) -> None:
    """Record a day, or so many hours, and look at it."""
    count = int(given.hours * 3600 / given.interval)
    say(f"{sessions} sessions, every {given.interval:g} s, {given.changed:g} % changed, {count} polls\n")
    in_ring, in_file = record(path, Load(sessions, given.changed, given.interval), count)
    size = path.stat().st_size
    day = size * 24 / given.hours
    say(f"  size: {size / 1e6:.1f} MB; a day: {day / 1e6:.1f} MB ({size / count:,.0f} bytes a poll)\n")
    say(f"  processor a poll: ring {in_ring * 1e3:.2f} ms, file {in_file * 1e3:.2f} ms\n")
    began = time.perf_counter()
    recording = Recording.open(path)
    say(f"  open: {seconds(began):.2f} s")
    began = time.perf_counter()
    first = recording.moment(len(recording.times) - 1)
    say(f", the newest moment {seconds(began) * 1e3:.0f} ms later ({len(first.snapshot.backends)} sessions)")
    began = time.perf_counter()
    list(recording.totals)
    say(f"; all totals: {seconds(began):.2f} s\n")
    choose, jumps, back = random.Random(1), [], []
    for _ in range(JUMPS):
        index = choose.randrange(1, len(recording.times))
        began = time.perf_counter()
        recording.moment(index)
        jumps.append(seconds(began))
        began = time.perf_counter()
        recording.moment(index - 1)
        back.append(seconds(began))
    say(f"  jump: median {median(jumps) * 1e3:.0f} ms, longest {max(jumps) * 1e3:.0f} ms;")
    say(f" a step back: median {median(back) * 1e3:.0f} ms, longest {max(back) * 1e3:.0f} ms\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sessions", default="500,2000")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--interval", type=float, default=2.0)
    parser.add_argument("--changed", type=float, default=5.0)
    parser.add_argument("--folder", default=None)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for sessions in map(int, given.sessions.split(",")):
            measure(Path(folder) / f"recording-{sessions}", sessions, given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
