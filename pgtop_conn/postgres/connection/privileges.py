"""What was revoked from everybody: statements go without it, and it is said, with the GRANT that gives it back.

Add what a statement may go without: an entry in MISSED, a line of privileges.sql, and an entry in statements.py that
says what stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pgtop_conn.model.errors import NotPermitted, PollFailed
from pgtop_conn.postgres.connection.link import Link, Rows
from pgtop_conn.postgres.statements import statement, without

#: A relation or function, as GRANT takes it, and what is not known without it; "" where nothing works without it.
MISSED: Mapping[str, str] = MappingProxyType(
    {
        "pg_catalog.pg_roles": "what roles may do, and their limits",
        "pg_catalog.pg_auth_members": "",
        "pg_catalog.pg_database": "limits of databases",
        "pg_catalog.pg_settings": "what a provider reserves, and settings (diagnose)",
        "pg_catalog.pg_db_role_setting": "settings of roles and of databases (diagnose)",
        "pg_catalog.pg_stat_database": "counters of sessions and transactions",
        "pg_catalog.pg_locks": "who holds locks, and connections that are still logging in (17 and older)",
        "pg_catalog.pg_stat_get_wal_senders()": "walsenders, where the server hides their type",
        "pg_catalog.pg_stat_get_subscription(oid)": "which hidden sessions are replication workers (16 and older)",
        "pg_catalog.pg_blocking_pids(integer)": "who blocks whom",
        "pg_catalog.pg_stat_get_backend_idset()": "how many slots are in use, exactly, where sessions are hidden",
        "pg_catalog.pg_stat_get_backend_pid(integer)": "how many slots are in use, exactly, where sessions are hidden",
        "pg_catalog.pg_is_in_recovery()": "whether it is a standby (13 and older)",
        "pg_catalog.pg_postmaster_start_time()": "when the server started",
        "pg_catalog.host(inet)": "addresses of clients",
        "pg_catalog.pg_has_role(name,text)": "whether our role sees and may terminate every session",
        "pg_catalog.pg_has_role(oid,text)": "whether our role may use reserved connections",
        "pg_catalog.pg_get_userbyid(oid)": "",
        "pg_catalog.pg_terminate_backend(integer)": "how to terminate sessions",
        "pg_catalog.pg_terminate_backend(integer,bigint)": "how to terminate sessions",
        "pg_catalog.pg_cancel_backend(integer)": "how to cancel queries",
        "pg_catalog.set_config(text,text,boolean)": "settings of other sessions (diagnose)",
        "pg_catalog.pg_stat_get_activity(integer)": "",
        "pg_catalog.pg_backend_pid()": "",
        "pg_catalog.current_setting(text)": "",
        "pg_catalog.current_setting(text,boolean)": "",
        "pg_catalog.current_database()": "",
        "pg_catalog.clock_timestamp()": "",
        "pg_catalog.to_timestamp(double precision)": "",
        "pg_catalog.date_part(text,timestamp with time zone)": "",
        "pg_catalog.textsend(text)": "",
        "pg_catalog.to_regrole(text)": "",
        "pg_catalog.right(text,integer)": "",
        "pg_catalog.strpos(text,text)": "",
        "pg_catalog.unnest(anyarray)": "who blocks whom, and the text of a query that began while we looked",
    }
)


def grant(thing: str, role: str) -> str:
    """The statement that gives it back.

    >>> grant("pg_catalog.host(inet)", "dba")
    'GRANT EXECUTE ON FUNCTION pg_catalog.host(inet) TO dba'
    """
    kind = "EXECUTE ON FUNCTION" if "(" in thing else "SELECT ON"
    return f"GRANT {kind} {thing} TO {role}"


def _bare(thing: str) -> str:
    """Its name alone."""
    return thing.removeprefix("pg_catalog.").partition("(")[0]


class Statements:
    """Asks a link for statements by name, without what our role may not use; that is looked for once it is missed."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.missing: frozenset[str] = frozenset()

    @property
    def counts_exactly(self) -> bool:
        """Whether used_exact is asked where that is possible, and nothing else instead."""
        return self.text("used_exact") == statement("used_exact")

    def text(self, name: str) -> str:
        """The statement as it is asked."""
        return without(name, self._link.version_num, self.missing)

    async def ask(self, name: str, *arguments: object) -> Rows:
        """As Link.read(). Raises NotPermitted, with the GRANTs that help, where it can't go without."""
        try:
            return await self._link.read(self.text(name), *arguments)
        except NotPermitted as error:
            before = self.text(name)
            await self.look_again()
            if self.text(name) == before:
                raise self._helped(error, before) from None
        try:
            return await self._link.read(self.text(name), *arguments)
        except NotPermitted as error:
            raise self._helped(error, self.text(name)) from None

    async def look_again(self) -> None:
        """See what is missing now: it may have been granted meanwhile."""
        try:
            rows = await self._link.read(statement("privileges"))
        except PollFailed:
            return
        self.missing = frozenset(row["object"] for row in rows)

    def lines(self, role: str) -> tuple[str, ...]:
        """What is not known for want of a privilege, a line each."""
        if not self.missing:
            return ()
        return tuple(f"{MISSED[one]}: {grant(one, role)}" for one in MISSED if one in self.missing and MISSED[one])

    async def explained(self, error: NotPermitted, text: str) -> NotPermitted:
        """The same, with the GRANTs that help the statement that was refused."""
        await self.look_again()
        return self._helped(error, text)

    def _helped(self, error: NotPermitted, text: str) -> NotPermitted:
        needed = [one for one in MISSED if one in self.missing and _bare(one) in re.findall(r"\w+", text)]
        grants = "; ".join(grant(one, self._link.user) for one in needed)
        return NotPermitted(f"{error}; what helps: {grants}" if grants else str(error))
