"""Every statement by the name of its file under sql/, and the one place that knows which server has which column.

Whoever owns a database decides its search_path, and what is found along it runs with our rights. So every function,
relation, type and operator in sql/ is written with its schema, pg_catalog; tests/postgres/test_sql.py sees to it.
Arrays go in and out as text[]: for any other the driver asks the server first, in statements of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pgtop_conn.model.source import Action

_INHERITS = "(SELECT i.rolinherit FROM pg_catalog.pg_roles AS i WHERE i.oid OPERATOR(pg_catalog.=) {})"

#: Column of a statement: the first version that has it, and what stands in for it before.
_SINCE = MappingProxyType(
    {
        "a.leader_pid": (130000, "NULL::pg_catalog.int4 AS leader_pid"),
        "a.query_id": (140000, "NULL::pg_catalog.int8 AS query_id"),
        # Before, whether a member inherits is the member's own, not that of each membership.
        "m.inherit_option": (160000, _INHERITS.format("m.member")),
        "d.datdba, true": (160000, "d.datdba, " + _INHERITS.format("d.datdba")),
        "pg_catalog.sum(d.sessions)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_abandoned)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_fatal)": (140000, "NULL"),
        "pg_catalog.sum(d.sessions_killed)": (140000, "NULL"),
    }
)

_SENDERS = "pg_catalog.pg_stat_get_wal_senders()"
_RECOVERY = "pg_catalog.pg_is_in_recovery()"
_NONE = "SELECT WHERE false"
_BY_OID, _BY_NAME = "pg_catalog.pg_has_role(oid,text)", "pg_catalog.pg_has_role(name,text)"
#: What may have been revoked: the text in any statement that needs it, and what stands in for that.
WITHOUT = MappingProxyType(
    {
        _SENDERS: (
            (f"a.pid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT w.pid FROM {_SENDERS} AS w))", "false"),
            (f"SELECT FROM {_SENDERS} AS w WHERE w.pid OPERATOR(pg_catalog.=) a.pid", _NONE),
        ),
        "pg_catalog.pg_stat_get_subscription(oid)": (
            (
                "SELECT FROM pg_catalog.pg_stat_get_subscription(NULL) AS s WHERE s.pid OPERATOR(pg_catalog.=) a.pid",
                _NONE,
            ),
        ),
        "pg_catalog.host(inet)": (("pg_catalog.host(a.client_addr)", "NULL::pg_catalog.text"),),
        # Since 14; before, a server that does not tell is taken for a primary.
        _RECOVERY: (
            (_RECOVERY, "coalesce(pg_catalog.current_setting('in_hot_standby', true)::pg_catalog.bool, false)"),
        ),
        "pg_catalog.pg_postmaster_start_time()": (
            ("pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())", "NULL::pg_catalog.float8"),
        ),
        "pg_catalog.pg_settings": (
            (
                "FROM pg_catalog.pg_settings AS s",
                "FROM (SELECT NULL::pg_catalog.text AS name, NULL::pg_catalog.text AS setting) AS s",
            ),
        ),
        _BY_NAME: (
            ("pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')", "false"),
            ("pg_catalog.pg_has_role('pg_signal_backend', 'USAGE')", "false"),
        ),
        _BY_OID: (
            (
                "pg_catalog.pg_has_role(pg_catalog.to_regrole('pg_use_reserved_connections')::pg_catalog.oid, 'USAGE')",
                "false",
            ),
        ),
    }
)
#: The statement that is asked instead of another one, where it needs what may have been revoked.
INSTEAD = MappingProxyType(
    {
        ("roles", "pg_catalog.pg_auth_members"): "roles_by_function",
        ("roles", "pg_catalog.pg_database"): "roles_by_function",
        ("roles", "pg_catalog.pg_roles"): "role_names",
        ("roles_by_function", "pg_catalog.pg_roles"): "role_names",
        ("databases", "pg_catalog.pg_database"): "databases_by_statistics",
        ("used_exact", "pg_catalog.pg_stat_get_backend_idset()"): "used_bound",
        ("used_exact", "pg_catalog.pg_stat_get_backend_pid(integer)"): "used_bound",
    }
)

#: What each action calls; sql/signal.sql holds the one of a terminate.
_SIGNALS = MappingProxyType({Action.TERMINATE: "pg_terminate_backend", Action.CANCEL: "pg_cancel_backend"})

#: Backend ids are process numbers from here on, so that the slots in use can be counted without seeing the rows.
EXACT_COUNT_SINCE = 170000
#: transaction_timeout exists from here on.
TRANSACTION_TIMEOUT_SINCE = 170000
#: Sessions that still authenticate have rows of their own from here on.
STARTING_ROWS_SINCE = 180000


@cache
def files() -> Mapping[str, Path]:
    """The file of each statement, by its name. importlib.resources would load zipfile for this."""
    return MappingProxyType({file.stem: file for file in Path(__file__).with_name("sql").glob("*/*.sql")})


@cache
def statement(name: str) -> str:
    """The text of a statement without its comments, which need not travel to the server and into its logs."""
    text = files()[name].read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))


@cache
def versioned(name: str, version_num: int) -> str:
    """statement(name) for this server: columns it does not have yet are NULL."""
    text = statement(name)
    for column, (since, substitute) in _SINCE.items():
        if version_num < since:
            text = text.replace(column, substitute)
    return text


@cache
def without(name: str, version_num: int, missing: frozenset[str]) -> str:
    """versioned(name) for a role that may not use what is `missing` (named as in privileges.MISSED)."""
    for _ in missing:
        name = next((INSTEAD[name, one] for one in sorted(missing) if (name, one) in INSTEAD), name)
    text = versioned(name, version_num)
    for one in missing:
        for needs, substitute in WITHOUT.get(one, ()):
            text = text.replace(needs, substitute)
    return text


@cache
def signalling(action: Action) -> str:
    """The statement that signals, with the function of this action."""
    return statement("signal").replace(_SIGNALS[Action.TERMINATE], _SIGNALS[action])
