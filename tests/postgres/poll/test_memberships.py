"""Memberships of roles: followed in one statement, as the server's own functions tell them, and in linear time."""

from __future__ import annotations

import json
import random

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.postgres.statements import versioned
from tests.support.servers import Connection

ROLES = 24
MEMBERSHIPS = 40


async def tangle(admin: Connection, seed: int, major: int) -> list[str]:
    """Roles that are members of one another in every way a GRANT can have; who of them may log in."""
    pick = random.Random(seed)
    names = [f"r{seed}_{number}" for number in range(ROLES)]
    for name in names:
        options = [pick.choice(["INHERIT", "NOINHERIT"]), pick.choice(["SUPERUSER", *["NOSUPERUSER"] * 6])]
        await admin.execute(f"CREATE ROLE {name} LOGIN {' '.join(options)}")
    groups = ["rds_replication", *(["pg_use_reserved_connections"] if major >= 16 else [])]
    for _ in range(MEMBERSHIPS):
        # Always to a later one, as circles are refused; some of each kind to the roles that matter.
        low, high = sorted(pick.sample(range(ROLES), 2))
        group = pick.choice(groups) if pick.random() < 0.25 else names[low]
        option = pick.choice(["", "WITH ADMIN OPTION"])
        if major >= 16:
            option = f"WITH INHERIT {pick.choice(['TRUE', 'FALSE'])}, SET {pick.choice(['TRUE', 'FALSE'])}"
        await admin.execute(f"GRANT {group} TO {names[high]} {option}")
    if major >= 14:
        # Who owns the database is a member of pg_database_owner, which is a member of none.
        await admin.execute(f"ALTER DATABASE postgres OWNER TO {pick.choice(names)}")
    return names


@pytest.mark.parametrize("seed", range(3))
async def test_they_are_what_the_servers_functions_tell(module_cluster: Cluster, seed: int) -> None:
    admin = await asyncpg.connect(module_cluster.uri())
    try:
        await admin.execute("DO $$ BEGIN CREATE ROLE rds_replication; EXCEPTION WHEN duplicate_object THEN END $$")
        names = await tangle(admin, seed, module_cluster.major)
        for name in ("postgres", *names):
            await admin.execute(f"SET ROLE {name}")
            found, told = [
                sorted(map(tuple, await admin.fetch(versioned(which, module_cluster.major * 10_000))))
                for which in ("roles", "roles_by_function")
            ]
            assert found == told, name
            await admin.execute("RESET ROLE")
    finally:
        await admin.close()


async def planned_rows(connection: Connection, member: str, text: str) -> float:
    """How many rows the server went through to answer, by its own count."""
    await connection.execute(f"SET ROLE {member}")
    (plan,) = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING off, COSTS off) {text}"))
    await connection.execute("RESET ROLE")
    return rows_of(plan["Plan"])


def rows_of(node: dict[str, object]) -> float:
    below = node.get("Plans", [])
    assert isinstance(below, list)
    return float(str(node["Actual Rows"])) * float(str(node["Actual Loops"])) + sum(map(rows_of, below))


async def test_the_work_grows_with_the_number_of_memberships_and_no_more(module_cluster: Cluster) -> None:
    admin = await asyncpg.connect(module_cluster.uri())
    try:
        text = versioned("roles", module_cluster.major * 10_000)
        assert "pg_has_role" not in text
        work = []
        await admin.execute("CREATE ROLE joiner")
        for before, count in ((0, 200), (200, 800)):
            await admin.execute(
                f"DO $$ BEGIN FOR i IN {before}..{count - 1} LOOP EXECUTE 'CREATE ROLE j' || i;"
                " EXECUTE 'GRANT j' || i || ' TO joiner'; END LOOP; END $$"
            )
            work.append(await planned_rows(admin, "joiner", text))
        assert work[1] < work[0] * 6
    finally:
        await admin.close()
