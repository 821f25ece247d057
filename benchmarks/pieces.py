"""How long single pieces take beside what they may take: a line for each, and exit code 1 when one takes longer.

python benchmarks/pieces.py [--only WORD] [--runs N]

Alone on its machine. Each figure is the median of its runs; the pieces that begin with "leave" start the installed
program in a terminal. Add a piece: an entry of PIECES, or of LEAVING.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pgtop_conn.demo.binaries import find_binaries
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.filters.linear_regex import Expression
from pgtop_conn.model.labels.labels import labels_of, tags_of
from pgtop_conn.model.redaction.literals import masked, shape
from pgtop_conn.model.signalling.busy_queries import busy_with
from pgtop_conn.postgres.conninfo.conninfo import resolve
from pgtop_conn.postgres.session import Session
from pgtop_conn.view.dialogs.sql_highlight import lines
from tests.support.data.factories import NOW, make_backend, make_server, make_snapshot
from tests.support.faults.kinds import stopped
from tests.support.faults.sampler import connections_to
from tests.support.faults.stage import children_of
from tests.support.terminals import Terminal
from tests.support.waits import wait_until

ROWS = 2000
KEYS_ARE_READ = b"\x1b[?1004h"


@dataclass(frozen=True, slots=True)
class Piece:
    """`make` prepares what is needed and gives the work that is timed."""

    name: str
    most_s: float
    make: Callable[[], Callable[[], object]]


def _filtering(text: str) -> Callable[[], object]:
    rows = [make_backend(pid, query=f"SELECT a,\n b FROM invoices WHERE id = {pid} ORDER BY a") for pid in range(ROWS)]
    chosen = parse(text)
    return lambda: sum(chosen.matches(row, NOW) for row in rows)


def _hostile() -> Callable[[], object]:
    chosen = parse('query~"(a+)+$"')
    rows = [make_backend(pid, query=("a" * 1019 + "b")[pid % 7 :]) for pid in range(ROWS)]
    return lambda: sum(chosen.matches(row, NOW) for row in rows)


def _many_characters() -> Callable[[], object]:
    chance = Random(1)
    texts = ["".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(1000)) for _ in range(200)]
    expression = Expression("a.*b.*c|[^a]x+y")
    return lambda: [expression.search(text) for text in texts]


def _sources() -> Callable[[], object]:
    rows = [make_backend(pid, app=f"billing-{pid % 50}", client=f"10.2.0.{pid % 200}") for pid in range(ROWS)]
    snapshot = replace(make_snapshot(rows), server=make_server(provider="Supabase"))
    source = tags_of(snapshot, labels_of({"Billing": "app:billing*", "BI": "client:10.9.0.0/16"})).source
    return lambda: [source(row) for row in rows]


def _caution() -> Callable[[], object]:
    queries = [f"SELECT a, b FROM created WHERE id = {number} AND {'x = 1 AND ' * 80} true" for number in range(ROWS)]
    return lambda: [busy_with(query) for query in queries]


def _long_text(work: Callable[[str], object], part: str, length: int) -> Callable[[], object]:
    text = part * (length // len(part))
    return lambda: work(text)


PIECES = (
    Piece("filter 2,000 sessions by 3 terms", 0.5, lambda: _filtering("state:idle role:web,app query~invoices")),
    Piece("search 2,000 ordinary queries", 0.2, lambda: _filtering("query~from.*invoices")),
    Piece("search 2,000 hostile queries", 2.0, _hostile),
    Piece("search 200 texts of many characters", 1.0, _many_characters),
    Piece("name the sources of 2,000 sessions", 0.02, _sources),
    Piece("find cautions in 2,000 queries", 0.5, _caution),
    Piece("find cautions in 1 MB of comments", 3.0, lambda: _long_text(busy_with, "/**/", 1_000_000)),
    Piece("mask 500 kB", 3.0, lambda: _long_text(masked, "(1,2)\n", 500_000)),
    Piece("shape 500 kB", 3.0, lambda: _long_text(shape, "(1,2)\n", 500_000)),
    Piece("colour 100 kB", 2.0, lambda: _long_text(lines, "SELECT 1, 'x' ", 100_000)),
)

LEAVING: dict[str, tuple[float, bool, Callable[[Terminal], None]]] = {
    "leave by q": (2.0, False, lambda terminal: terminal.type("q")),
    "leave by SIGTERM": (2.0, False, lambda terminal: os.kill(terminal.process.pid, signal.SIGTERM)),
    "leave by q, the server hangs": (2.0, True, lambda terminal: terminal.type("q")),
    "leave, the terminal is gone": (2.0, False, Terminal.hang_up),
}


def _leave(cluster: Cluster, hangs: bool, way: Callable[[Terminal], None]) -> float:
    """Seconds until our connection is closed and the program has ended."""
    return asyncio.run(_left(cluster, hangs, way))


async def _left(cluster: Cluster, hangs: bool, way: Callable[[Terminal], None]) -> float:
    async with Terminal(["--interval", "0.5", cluster.uri(tcp=True)]) as terminal:
        await terminal.shows("Headroom")
        await wait_until(lambda: KEYS_ARE_READ in terminal.written, "keys are read")
        with ExitStack() as stack:
            if hangs and cluster.postmaster_pid is not None:
                stack.enter_context(stopped([cluster.postmaster_pid, *children_of(cluster.postmaster_pid)]))
            began = time.monotonic()
            way(terminal)
            await wait_until(lambda: not connections_to([cluster.port]), "it is closed", every_s=0.01)
            await terminal.ends()
            return time.monotonic() - began


def _read_facts(cluster: Cluster) -> float:
    return asyncio.run(_facts_read(cluster))


async def _facts_read(cluster: Cluster) -> float:
    session = await Session.open(resolve(cluster.uri(), environ={}))
    began = time.monotonic()
    await session.facts()
    took = time.monotonic() - began
    await session.close()
    return took


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="pieces with this word in their name")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args(argv)
    missed = 0

    def tell(name: str, most_s: float, measure: Callable[[], float]) -> None:
        nonlocal missed
        if given.only in name:
            took = median(measure() for _ in range(given.runs))
            missed += took > most_s
            sys.stdout.write(f"{name:<40} {took * 1000:9.1f} ms of {most_s * 1000:6.0f}{' MISSED' * (took > most_s)}\n")

    for piece in PIECES:
        tell(piece.name, piece.most_s, partial(timed, piece.make()))
    with Cluster(find_binaries(), tcp=True) as cluster:
        for name, (most_s, hangs, way) in LEAVING.items():
            tell(name, most_s, partial(_leave, cluster, hangs, way))
        tell("read the facts of a server", 0.5, partial(_read_facts, cluster))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
