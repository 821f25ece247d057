"""What other drivers and services add to connection URIs, and libpq refuses. Add one: an entry in EXTRAS.

Each is put into libpq's own words, or left out with a note. What would make a connection less safe is not taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.text import clean
from pgtop_conn.postgres.conninfo.keywords import KEYWORDS


@dataclass(frozen=True, slots=True)
class Extra:
    """One word of another program. `becomes` gives libpq's keyword and value; None where it means nothing here."""

    #: Whose it is.
    source: str
    becomes: Callable[[str], tuple[str, str] | None] = lambda _value: None


def _as(keyword: str) -> Callable[[str], tuple[str, str]]:
    return lambda value: (keyword, value)


def _one_of(keyword: str, values: Mapping[str, str]) -> Callable[[str], tuple[str, str] | None]:
    """Translated by the table; what is not in it means nothing here."""
    return lambda value: (keyword, values[value]) if value in values else None


def _ssl(value: str) -> tuple[str, str] | None:
    """`false` is dropped: it would ask for less than the default."""
    if value in ("true", "1", "on", "no-verify"):
        return "sslmode", "require"
    return None if value in ("false", "0", "off", "") else ("sslmode", value)


_TARGETS = {
    "any": "any",
    "primary": "primary",
    "master": "primary",
    "secondary": "standby",
    "slave": "standby",
    "preferSecondary": "prefer-standby",
    "preferSlave": "prefer-standby",
}
_SWITCH = {"true": "1", "false": "0"}

_PRISMA = [
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
    "statement_cache_size",
    "schema",
    "sslidentity",
]
_NODE = [
    "uselibpqcompat",
    "max",
    "min",
    "idleTimeoutMillis",
    "connectionTimeoutMillis",
    "query_timeout",
    "keepAlive",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "supa",
    "workaround",
]
_JDBC = [
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "binaryTransfer",
    "reWriteBatchedInserts",
    "defaultRowFetchSize",
    "stringtype",
    "socketTimeout",
    "cancelSignalTimeout",
    "currentSchema",
    "readOnly",
    "assumeMinServerVersion",
    "autosave",
    "cleanupSavepoints",
    "logUnclosedConnections",
    "sslfactory",
    "socketFactory",
    "preferQueryMode",
    "hostRecheckSeconds",
    "escapeSyntaxCallMode",
    "allowEncodingChanges",
    "logServerErrorDetail",
    "tcpNoDelay",
    "adaptiveFetch",
    "maxResultBuffer",
]
_RAILS = [
    "pool",
    "reaping_frequency",
    "prepared_statements",
    "encoding",
    "checkout_timeout",
    "idle_timeout",
    "advisory_locks",
    "min_messages",
    "statement_limit",
    "schema_search_path",
    "variables",
    "adapter",
    "max_connections",
    "min_connections",
]
_GO = [
    "pool_max_conns",
    "pool_min_conns",
    "pool_min_idle_conns",
    "pool_max_conn_lifetime",
    "pool_max_conn_lifetime_jitter",
    "pool_max_conn_idle_time",
    "pool_health_check_period",
    "default_query_exec_mode",
    "statement_cache_capacity",
    "statement_cache_mode",
    "description_cache_capacity",
    "binary_parameters",
    "search_path",
    "timezone",
    "TimeZone",
]
_PYTHON = [
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "command_timeout",
    "async_fallback",
    "prepare_threshold",
    "autocommit",
    "max_cached_statement_lifetime",
    "min_size",
    "max_size",
    "pool_size",
    "max_overflow",
    "pool_recycle",
    "pool_pre_ping",
    "conn_max_age",
    "conn_health_checks",
]
_ECTO = ["queue_target", "queue_interval", "socket_options", "timeout"]

_TRANSLATED = {
    "ssl": Extra("a driver's", _ssl),
    "sslaccept": Extra("Prisma's", _one_of("sslmode", {"strict": "verify-full"})),
    "sslMode": Extra("a driver's", _as("sslmode")),
    "ApplicationName": Extra("JDBC's", _as("application_name")),
    "loginTimeout": Extra("JDBC's", _as("connect_timeout")),
    "connectTimeout": Extra("JDBC's", _as("connect_timeout")),
    "tcpKeepAlive": Extra("JDBC's", _one_of("keepalives", _SWITCH)),
    "targetServerType": Extra("JDBC's", _one_of("target_session_attrs", _TARGETS)),
    "loadBalanceHosts": Extra("JDBC's", _one_of("load_balance_hosts", {"true": "random", "false": "disable"})),
    "gssEncMode": Extra("JDBC's", _as("gssencmode")),
    "channelBinding": Extra("JDBC's", _as("channel_binding")),
    "requireAuth": Extra("JDBC's", _as("require_auth")),
    "sslNegotiation": Extra("JDBC's", _as("sslnegotiation")),
    "database": Extra("a driver's", _as("dbname")),
    "username": Extra("a driver's", _as("user")),
}
_DROPPED = {
    "Prisma's": _PRISMA,
    "a Node.js driver's": _NODE,
    "JDBC's": _JDBC,
    "Rails'": _RAILS,
    "a Go driver's": _GO,
    "a Python driver's": _PYTHON,
    "Ecto's": _ECTO,
}

EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {name: Extra(source) for source, names in _DROPPED.items() for name in names} | _TRANSLATED
)

#: The only check of Prisma that its URIs switch off, which libpq's require does not make either.
_NO_VERIFY = "no-verify"


def in_our_words(given: Mapping[str, str], jdbc: bool) -> tuple[dict[str, str], list[str]]:
    """The same in libpq's keywords, and a note for each word that was put into them or left out. Raises BadInput.

    libpq's own word wins over another program's for the same thing, except that no check is lost.
    """
    found = {name: value for name, value in given.items() if name in KEYWORDS}
    notes = []
    if found.get("sslmode") == _NO_VERIFY:
        found["sslmode"] = "require"
        notes.append("sslmode=no-verify is read as sslmode=require, which encrypts and trusts any certificate")
    for name, value in given.items():
        if name in KEYWORDS:
            continue
        if name not in EXTRAS:
            raise unknown(name)
        meant = EXTRAS[name].becomes(value)
        if jdbc and name == "ssl" and meant == ("sslmode", "require"):
            # JDBC checks certificate and name unless its sslmode says otherwise.
            meant = ("sslmode", found.get("sslmode", "verify-full"))
        if meant is None:
            notes.append(f"{name} is {EXTRAS[name].source} and means nothing here: left out")
            continue
        keyword, value = meant
        if keyword in found and not _checks_more(keyword, value, found[keyword]):
            if found[keyword] != value:
                notes.append(f"{name} is {EXTRAS[name].source}: left out, since {keyword} is given, too")
            continue
        found[keyword] = value
        # libpq itself takes ssl=true in a URI for this.
        if (name, value) != ("ssl", "require"):
            notes.append(f"{name} is {EXTRAS[name].source}: read as {keyword}")
    return found, notes


def _checks_more(keyword: str, value: str, than: str) -> bool:
    return keyword == "sslmode" and value.startswith("verify") and than not in (value, "verify-full")


def unknown(name: str) -> BadInput:
    """For a word that nobody is known to use, with the nearest one that is."""
    near = get_close_matches(name, [*KEYWORDS, *EXTRAS], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return BadInput(f'unknown connection keyword "{clean(name)}"{hint}')
