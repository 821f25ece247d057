"""One case through psql and through this program: two outcomes in the same words, and whether they agree."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgtop_conn.demo.binaries import embedded_binaries, newest
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.text import clean, one_line
from pgtop_conn.postgres.connection.connect import connect
from pgtop_conn.postgres.conninfo.conninfo import resolve
from tests.support.psql.case import Case
from tests.support.psql.cases import PASTED_CASES, SERVICES, SESSION, WHERE, WHO
from tests.support.psql.cases_tls import TLS_CASES
from tests.support.servers import versions_folder
from tests.support.waits import HANG_S

CASES = (*WHERE, *WHO, *SESSION, *SERVICES, *TLS_CASES, *PASTED_CASES)

#: Who we are, where, and how: the same from both.
QUESTION = """
SELECT concat_ws(' ', current_user, '@', current_database(), coalesce(inet_server_port()::text, 'socket'),
  coalesce(s.version, 'no TLS'), s.client_dn, current_setting('geqo_threshold')) AS said
FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was answered, or why not."""

    got_in: bool
    said: str


@dataclass(frozen=True, slots=True)
class Compared:
    case: Case
    psql: Outcome
    ours: Outcome

    @property
    def agree(self) -> bool:
        return self.psql == self.ours if self.psql.got_in else not self.ours.got_in

    @property
    def as_expected(self) -> bool:
        return self.agree is not bool(self.case.explained)

    @property
    def verdict(self) -> str:
        if self.as_expected:
            return f"explained: {self.case.explained}" if self.case.explained else "agree"
        return "DIFFER" if not self.agree else "agree, though a difference is explained"


@dataclass(frozen=True, slots=True)
class Psql:
    """The reference. The embedded one has no TLS: a libpq of its version that has some is put in its place."""

    program: Path
    libpq: Path | None

    def run(self, conninfo: str, environ: Mapping[str, str]) -> Outcome:
        more = {"LD_PRELOAD": str(self.libpq)} if self.libpq else {}
        command = [str(self.program), "-X", "-w", "-A", "-t", "-q", "-c", QUESTION, "-d", conninfo]
        # An empty conninfo must not hide PGDATABASE, and PGSERVICE's dbname.
        command = command if conninfo else command[:-2]
        done = subprocess.run(
            command,
            env={**environ, **more},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=HANG_S,
        )
        if done.returncode == 0:
            return Outcome(True, done.stdout.strip())
        return Outcome(False, clean(one_line(done.stderr.strip().removeprefix("psql: error: "))))


def reference() -> Psql | None:
    """The newest embedded psql, None without one."""
    best = newest(embedded_binaries())
    if best is None or not (best.bin_dir / "psql").exists():
        return None
    return Psql(best.bin_dir / "psql", next(_libraries_with_tls(best.major), None))


def _libraries_with_tls(major: int) -> Iterator[Path]:
    """Every libpq of that version with TLS: of an unpacked server, and the one in psycopg's wheel."""
    for path in versions_folder().glob(f"{major}/*/lib/libpq.so.5"):
        if any(path.parent.glob("libssl.so*")):
            yield path
    spec = importlib.util.find_spec("psycopg_binary")
    for place in (spec.submodule_search_locations if spec is not None else None) or ():
        yield from Path(f"{place}.libs").glob(f"libpq-*.so.5.{major}")


async def ours(conninfo: str, environ: Mapping[str, str]) -> Outcome:
    try:
        link = await connect(resolve(conninfo or None, environ=environ))
    except PgtopError as error:
        return Outcome(False, str(error))
    try:
        return Outcome(True, str((await link.fetch(QUESTION))[0]["said"]))
    finally:
        await link.close()


async def compare(one: Case, psql: Psql, names: Mapping[str, str]) -> Compared:
    """Both, one after the other."""
    conninfo = one.conninfo.format(**names)
    environ = {"HOME": names["home"], "PATH": os.defpath} | {
        name: value.format(**names) for name, value in one.environ.items()
    }
    return Compared(one, psql.run(conninfo, environ), await ours(conninfo, environ))
