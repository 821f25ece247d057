"""A real PgBouncer in front of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pgtop_conn.demo.server import Cluster
from tests.support.pgbouncer import needed_program, running


@asynccontextmanager
async def bouncer(cluster: Cluster, **settings: object) -> AsyncIterator[str]:
    """In transaction mode, for the role web to the database shop; gives its URI. Skips the test where there is none."""
    async with running(needed_program(), cluster, "web", **settings) as port:
        yield f"postgresql://web@127.0.0.1:{port}/shop"
