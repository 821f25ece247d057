"""What a session is made of for a recording. Add a column of Backend: LASTING, STATUS or STATEMENT, and made().

Most of a session never changes, and is alike in many: LASTING is kept once for each combination. STATUS and STATEMENT
are, too; the times, the pid and the port are each session's own.
"""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from pgtop_conn.model.snapshot import Backend, BackendKey

LASTING_FIELDS = (
    *("backend_type", "role_oid", "role", "database_oid", "database", "app", "client"),
    *("ssl", "leader_pid", "hidden", "walsender", "by_title"),
)
STATUS_FIELDS = ("state", "wait_event_type", "wait_event", "holds_xmin", "wrote", "blocked_by", "kept_alive")
STATEMENT_FIELDS = ("query", "query_id")
TIME_FIELDS = ("xact_start", "query_start", "state_change")

#: A name is kept whole, with its `app_host`, and read again by the session itself.
_LASTING = tuple("whole_app" if name == "app" else name for name in LASTING_FIELDS)

lasting_of = attrgetter(*_LASTING)
status_of = attrgetter(*STATUS_FIELDS)
passing_of = attrgetter(*STATUS_FIELDS, *STATEMENT_FIELDS, *TIME_FIELDS)
everything_of = attrgetter("key", "client_port", *_LASTING, *STATUS_FIELDS, *STATEMENT_FIELDS, *TIME_FIELDS)

Lasting = tuple[str | None, int, str, int, str, str, str, bool | None, int | None, bool, bool, bool]
Status = tuple[str | None, str, str, bool, bool, tuple[int, ...], bool]
Statement = tuple[str, int | None]


class Row(NamedTuple):
    """A session as it is read: what it shares with others is the very same tuple in all of them."""

    key: BackendKey
    client_port: int | None
    lasting: Lasting
    status: Status
    statement: Statement
    xact_start: float | None
    query_start: float | None
    state_change: float | None


def made(row: Row) -> Backend:
    """The session itself."""
    backend_type, role_oid, role, database_oid, database, app, client, ssl, leader_pid, hidden, walsender, by_title = (
        row.lasting
    )
    state, wait_event_type, wait_event, holds_xmin, wrote, blocked_by, kept_alive = row.status
    query, query_id = row.statement
    return Backend(
        row.key,
        backend_type,
        role_oid,
        role,
        database_oid,
        database,
        app,
        client,
        row.client_port,
        state,
        row.xact_start,
        row.query_start,
        row.state_change,
        wait_event_type,
        wait_event,
        ssl,
        leader_pid,
        holds_xmin,
        wrote,
        query_id,
        hidden,
        walsender,
        query,
        blocked_by,
        by_title,
        kept_alive,
    )


def is_of(backend: Backend, row: Row) -> bool:
    """Whether the session is still as this row says."""
    return bool(
        everything_of(backend)
        == (
            *row[:2],
            *row.lasting,
            *row.status,
            *row.statement,
            *row[5:],
        )
    )
