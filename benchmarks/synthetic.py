"""The program's own screen on made-up sessions: as many as no machine at hand can hold, changing as real ones do.

python synthetic.py --sessions 10000 [--interval S] [--step S] [--churn SHARE] [--count FILE]

Run by the interpreter of an environment that has pgtop-conn installed. What making the sessions costs is in what is
measured of it; it is kept small by handing on every session that did not change.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.snapshot import (
    ACTIVE,
    CLIENT_BACKEND,
    IDLE,
    IN_TRANSACTION,
    Backend,
    BackendKey,
    Database,
    Role,
    Server,
    Snapshot,
)
from pgtop_conn.model.source import Action, Outcome, Target
from pgtop_conn.tui.app import run
from pgtop_conn.tui.options import ScreenOptions

APPLICATIONS = (
    "web-frontend",
    "api-gateway",
    "checkout-svc",
    "billing-worker",
    "PostgreSQL JDBC Driver",
    "sidekiq 7.1 mailers [3 of 25 busy]",
    "celery@worker-07",
    "metabase",
    "psql",
    "airflow-scheduler",
)
ROLES = ("app_rw", "app_ro", "etl", "report", "billing")
DATABASES = ("shop", "billing", "analytics")
#: Shares of all sessions, as the load on a real server has them.
STATES = {IDLE: 0.79, IN_TRANSACTION: 0.11, ACTIVE: 0.10}
#: Of all sessions so many run a statement between two polls.
BUSY_SHARE = 0.06
FIRST_OID = 16_384
OWN_PID = 999


def make_server(sessions: int) -> Server:
    """A primary that has room for half as many again, seen by a role that sees everything."""
    return Server(
        host="127.0.0.1",
        port=5432,
        database="postgres",
        version_num=150_000,
        version="15.0",
        in_recovery=False,
        pooled=False,
        role="mon",
        superuser=False,
        sees_all=True,
        can_signal=True,
        uses_reserved=False,
        own_pid=OWN_PID,
        max_connections=sessions * 3 // 2,
        superuser_reserved=3,
        reserved=0,
        provider_reserved={},
        max_wal_senders=10,
    )


def make_backend(pid: int, at: float, chance: random.Random) -> Backend:
    """A session that began up to an hour before `at`."""
    state = chance.choices(tuple(STATES), tuple(STATES.values()))[0]
    since = at - chance.random() * 3600
    role, database = chance.randrange(len(ROLES)), chance.randrange(len(DATABASES))
    idle = state != ACTIVE
    return Backend(
        key=BackendKey(pid, since),
        backend_type=CLIENT_BACKEND,
        role_oid=FIRST_OID + role,
        role=ROLES[role],
        database_oid=FIRST_OID + 100 + database,
        database=DATABASES[database],
        app=chance.choice(APPLICATIONS),
        client=f"10.2.{chance.randrange(4)}.{chance.randrange(1, 250)}",
        client_port=chance.randrange(30_000, 60_000),
        state=state,
        xact_start=None if state == IDLE else since,
        query_start=since,
        state_change=since,
        wait_event_type="Client" if idle else "",
        wait_event="ClientRead" if idle else "",
        ssl=False,
        leader_pid=None,
        holds_xmin=state == ACTIVE,
        wrote=False,
        query_id=None,
        hidden=False,
        walsender=False,
        query=make_query(chance),
    )


def make_query(chance: random.Random) -> str:
    """A statement of one to many lines, as an ORM writes it."""
    columns = ",\n       ".join(f'"orders"."c{chance.randrange(1000)}"' for _ in range(chance.choice((1, 3, 8, 12))))
    return f'SELECT {columns}\n  FROM "orders"\n WHERE "orders"."id" = {chance.randrange(99_999)}\n LIMIT 1'


class Synthetic:
    """A Source. `step_s` moves its clock at each poll, otherwise it shows the machine's; `churn` come and go a poll."""

    def __init__(self, sessions: int, step_s: float, churn: float, count_file: Path | None) -> None:
        self._chance = random.Random(sessions)
        self._step_s, self._churn, self._count_file = step_s, churn, count_file
        self._at = time.time()
        self._next_pid = 1000
        self._backends = [self._newcomer() for _ in range(sessions)]
        self._server = make_server(sessions)
        self._roles = {
            FIRST_OID + i: Role(FIRST_OID + i, name, False, False, True, -1, True) for i, name in enumerate(ROLES)
        }
        oids = [FIRST_OID + 100 + number for number in range(len(DATABASES))]
        self._databases = {oid: Database(oid, name, -1) for oid, name in zip(oids, DATABASES, strict=True)}
        self._polls = 0

    def _newcomer(self) -> Backend:
        self._next_pid += 1
        return make_backend(self._next_pid, self._at, self._chance)

    async def poll(self) -> Snapshot:
        self._at = self._at + self._step_s if self._step_s else time.time()
        everybody = range(len(self._backends))
        for index in self._chance.sample(everybody, int(BUSY_SHARE * len(everybody))):
            self._backends[index] = self._after_a_statement(self._backends[index])
        for index in self._chance.sample(everybody, int(self._churn * len(everybody))):
            self._backends[index] = self._newcomer()
        self._polls += 1
        if self._count_file is not None:
            await asyncio.to_thread(self._count_file.write_text, str(self._polls))
        return Snapshot(self._at, self._server, tuple(self._backends), self._roles, self._databases)

    def _after_a_statement(self, backend: Backend) -> Backend:
        began = self._at - self._chance.random()
        busy = self._chance.random() < 0.2
        return replace(
            backend,
            state=ACTIVE if busy else IDLE,
            xact_start=began if busy else None,
            query_start=began,
            state_change=began,
            wait_event_type="" if busy else "Client",
            wait_event="" if busy else "ClientRead",
            query=make_query(self._chance),
        )

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        raise NotImplementedError("nobody is signalled here")

    def settle(self, action: Action, outcome: Outcome) -> None:
        """Nobody here needs to know."""

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        """Nothing is held."""


async def show(sessions: int, interval_s: float, step_s: float, churn: float, count_file: Path | None) -> int:
    """The screen until the user leaves; the exit code."""
    source = Synthetic(sessions, step_s, churn, count_file)
    return await run(source, ScreenOptions(interval_s=interval_s, first=await source.poll()))


def main() -> int:
    """Read the command line and show the screen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=2.0)
    parser.add_argument("--step", type=float, default=0.0, help="seconds the server's clock moves at each poll")
    parser.add_argument("--churn", type=float, default=0.005, help="share of the sessions that is new at each poll")
    parser.add_argument("--count", type=Path, help="a file that tells how many polls there were")
    given = parser.parse_args()
    return asyncio.run(show(given.sessions, given.interval, given.step, given.churn, given.count))


if __name__ == "__main__":
    sys.exit(main())
