"""A database whose owner lies in wait: whatever is looked up along search_path there finds a double that says so."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.source import Action
from pgtop_conn.postgres.statements import files, signalling, statement
from tests.support.servers import Clients
from tests.support.waits import HANG_S

SQL_NAMES = sorted(files())
TRAPPED = "trapped"
_TRAPS = (Path(__file__).parent / "traps.sql").read_text(encoding="utf-8")


async def lay_traps(cluster: Cluster, clients: Clients) -> None:
    """Create the database; its owner is an ordinary role. drop_traps() undoes it."""
    owner_name = await clients.role(cluster, "trapper")
    await _alone(cluster, f"CREATE DATABASE {TRAPPED} OWNER {owner_name}")
    owner = await clients(cluster, role=owner_name, database=TRAPPED)
    used = " ".join(statement(name) for name in SQL_NAMES) + signalling(Action.CANCEL)
    await owner.execute("SELECT set_config('traps.used', $1, false)", used)
    await owner.execute(_TRAPS)
    await owner.execute(f"ALTER DATABASE {TRAPPED} SET search_path = evil, pg_catalog")
    await owner.execute(f"ALTER DATABASE {TRAPPED} SET standard_conforming_strings = off")


async def drop_traps(cluster: Cluster) -> None:
    await _alone(cluster, f"DROP DATABASE IF EXISTS {TRAPPED} WITH (FORCE)")


async def _alone(cluster: Cluster, text: str) -> None:
    """A statement that no transaction may be around."""
    connection = await asyncpg.connect(cluster.uri(), timeout=HANG_S)
    await connection.execute(text)
    await connection.close()


def sprung(cluster: Cluster) -> list[str]:
    """Every double that was used since the server started."""
    log = cluster.log_file.read_text(encoding="utf-8", errors="replace")
    return [line.partition("a trap was sprung: ")[2] for line in log.splitlines() if "a trap was sprung: " in line]
