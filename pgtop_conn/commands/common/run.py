"""What every command that connects does alike: an event loop, a session that is closed, and a policy for the guards."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from pgtop_conn.config import Settings
from pgtop_conn.connect.login import Login

if TYPE_CHECKING:
    from pgtop_conn.model.signalling.guards import Policy
    from pgtop_conn.model.source import Source

T = TypeVar("T")

#: New objects between two collections: more than one poll makes, few enough to wait for a slot for hours.
COLLECT_SELDOM = 300_000


def run_async(work: Coroutine[object, object, T]) -> T:
    """asyncio.run(), imported only by the commands that need it: it is the slowest import of --help."""
    import asyncio
    import gc

    # What is loaded and read at first stays: looking for garbage in it is a tenth of the work.
    gc.set_threshold(COLLECT_SELDOM)
    return asyncio.run(work)


@asynccontextmanager
async def opened(login: Login, settings: Settings, *, offers: bool = False) -> AsyncIterator[Source]:
    """A session, closed at the end, however that comes. Raises what open_source() raises."""
    from pgtop_conn.connect.open import open_source

    source = await open_source(login, os.environ, settings, offers=offers)
    try:
        yield source
    finally:
        await source.close()


def policy_of(settings: Settings) -> Policy:
    """The policy of the guards, from the settings."""
    from pgtop_conn.model.signalling.guards import Policy

    return Policy(
        read_only=settings.read_only,
        allow_replication=settings.allow_replication,
        allow_superuser=settings.allow_superuser,
        protected_roles=settings.protected_roles,
        replication_roles=settings.replication_roles,
    )
