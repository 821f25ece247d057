"""Whose server it is: reads what a managed service leaves to be recognised by. Services: model/labels/providers.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pgtop_conn.model.errors import PollFailed
from pgtop_conn.model.labels.providers import KNOWN_FUNCTIONS, KNOWN_SCHEMAS, KNOWN_SETTINGS, recognise
from pgtop_conn.model.snapshot import Database, Role
from pgtop_conn.postgres.connection.link import Link
from pgtop_conn.postgres.statements import statement

#: After a failure, which a lock on a catalog can cause.
RETRY_S = 30.0


class ProviderReader:
    """What one connection found; asked once, since a server does not change hands."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._signs: Mapping[str, Sequence[str]] | None = None
        self._not_before = 0.0

    async def provider(self, roles: Mapping[int, Role], databases: Mapping[int, Database]) -> str | None:
        """The name of the service, None where none is recognised. Never raises PollFailed."""
        if self._signs is None and time.monotonic() >= self._not_before:
            # A setting that only superusers may see refuses the statement: then what is listed has to do.
            self._signs = await self._look(KNOWN_SETTINGS) or await self._look(())
            self._not_before = time.monotonic() + RETRY_S
        signs = self._signs or {}
        found = recognise(
            settings=signs.get("settings", ()),
            roles={role.name for role in roles.values()},
            databases={database.name for database in databases.values()},
            functions=signs.get("functions", ()),
            schemas=signs.get("schemas", ()),
        )
        return found.name if found is not None else None

    async def _look(self, settings: Sequence[str]) -> Mapping[str, Sequence[str]] | None:
        known = (list(settings), list(KNOWN_FUNCTIONS), list(KNOWN_SCHEMAS))
        try:
            (row,) = await self._link.read(statement("provider"), *known)
        except PollFailed:
            return None
        return dict(row)
