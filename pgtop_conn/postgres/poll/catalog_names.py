"""Roles and databases by oid, as one connection has read them last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pgtop_conn.model.snapshot import Database, Role
from pgtop_conn.model.text import clean, decode
from pgtop_conn.postgres.connection.link import Rows

#: A role and a database by oid, None or 0 where a process has none.
Pair = tuple[int | None, int | None]


class Names:
    """Roles and databases by oid; a lookup that fails is not repeated before the next reading."""

    def __init__(self) -> None:
        self.roles: Mapping[int, Role] = {}
        self.databases: Mapping[int, Database] = {}
        #: What roles are called of which nothing else may be read.
        self._nameless: Mapping[int, str] = {}
        self._missing: set[Pair] = set()
        self._raw: dict[str, list[bytes]] = {}

    def raw(self, role: str) -> Sequence[bytes]:
        """Every name at the last reading that is this one when it is cleaned; none when there is no such role."""
        return self._raw.get(role, [])

    def role_name(self, oid: int) -> str:
        """ "" where it is not known."""
        role = self.roles.get(oid)
        return role.name if role is not None else self._nameless.get(oid, "")

    def unknown(self, pairs: Iterable[Pair]) -> bool:
        """Whether one of these pairs names an oid that was not there at the last reading."""
        return any(
            (role and role not in self.roles) or (database and database not in self.databases)
            for role, database in pairs
            if (role, database) not in self._missing
        )

    def learn(self, roles: Rows, databases: Rows, pairs: Iterable[Pair]) -> bool:
        """Take a new reading, made while these pairs were in use; whether anything differs from the last one."""
        before = (self.roles, self.databases, self._nameless)
        whole = [row for row in roles if "rolsuper" in row.keys()]  # noqa: SIM118  a record is looked at by its values
        self.roles = MappingProxyType({row["oid"]: _role(row) for row in whole})
        self._nameless = {} if whole else {row["oid"]: clean(decode(row["name"])) for row in roles}
        self.databases = MappingProxyType(
            {row["oid"]: Database(row["oid"], clean(decode(row["name"])), row["datconnlimit"]) for row in databases}
        )
        self._raw = {}
        for row in roles:
            self._raw.setdefault(clean(decode(row["name"])), []).append(row["name"])
        self._missing = set(pairs)
        return before != (self.roles, self.databases, self._nameless)


def _role(row: Mapping[str, Any]) -> Role:
    return Role(
        oid=row["oid"],
        name=clean(decode(row["name"])),
        superuser=row["rolsuper"],
        replication=row["rolreplication"],
        can_login=row["rolcanlogin"],
        connection_limit=row["rolconnlimit"],
        usable=row["usable"],
        replication_member=row["replication_member"],
        uses_reserved=row["uses_reserved"],
    )
