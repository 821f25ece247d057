"""Nothing in sql/ is looked up along search_path: a lint, and a database whose owner lies in wait."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.source import Action, Status, Target
from pgtop_conn.postgres.session import Session
from pgtop_conn.postgres.statements import signalling, versioned
from tests.postgres.conftest import OpenSession
from tests.support.postgres.statement_recorder import Recorder, until
from tests.support.postgres.traps import SQL_NAMES, TRAPPED, drop_traps, lay_traps, sprung
from tests.support.servers import Clients

_TOKEN = re.compile(
    r"\s+|(?P<text>'(?:[^']|'')*')|(?P<parameter>\$\d+)|(?P<number>\d+)|(?P<word>[A-Za-z_]\w*)|(?P<cast>::)"
    r"|(?P<operator>[-+*/<>=~!@#%^&|`?]+)|(?P<mark>[().,\[\]])|(?P<other>.)"
)
#: A table of WITH, whose name is looked for before any of a schema.
_WITH = re.compile(r"(?:WITH RECURSIVE|\),)\s+(\w+) \(\w+(?:, \w+)*\) AS \(")
#: Words before a parenthesis that call nothing; ANY and ALL look for no operator behind a qualified one.
_GRAMMAR = frozenset(
    [
        "COALESCE",
        "EXISTS",
        "ARRAY",
        "ANY",
        "ALL",
        "VALUES",
        "OPERATOR",
        "AND",
        "OR",
        "NOT",
        "WHERE",
        "FROM",
        "AS",
        "ON",
        "SELECT",
    ]
)
#: What looks up an operator by a name that cannot be qualified, or makes a name of its own.
_REFUSED = frozenset(
    [
        "IN",
        "LIKE",
        "ILIKE",
        "SIMILAR",
        "BETWEEN",
        "NULLIF",
        "USING",
        "NATURAL",
        "OVERLAPS",
        "CAST",
        "COLLATE",
        "GREATEST",
        "LEAST",
        "EXTRACT",
        "FILTER",
    ]
)


def unqualified(text: str) -> Iterator[str]:
    """What a hostile search_path could replace in this statement, in order."""
    tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup is not None]
    words = [match.group() if match["text"] else match.group().upper() for match in tokens]
    own = {name.upper() for name in _WITH.findall(text)}
    for index, match in enumerate(tokens):
        word = words[index]
        if word in own or words[max(0, index - 1) : index + 1] == ["UNION", "ALL"]:
            continue
        before, after = words[max(0, index - 2) : index], words[index + 1 : index + 4]
        qualified = before == ["PG_CATALOG", "."]
        found = match["other"] is not None
        if match["operator"]:
            found = not qualified or words[max(0, index - 4) : index - 2] != ["OPERATOR", "("]
        elif match["cast"]:
            found = after[:2] != ["PG_CATALOG", "."]
        elif match["word"] and not qualified:
            called = after[:1] == ["("] and word not in _GRAMMAR and before[-1:] != ["AS"]
            related = before[-1:] in (["FROM"], ["JOIN"], ["LATERAL"]) and word not in ("LATERAL", "PG_CATALOG")
            compared = word in ("ANY", "ALL") and before[-1:] != [")"]
            distinct = word == "DISTINCT" and after[:1] == ["FROM"]
            chosen = word == "CASE" and after[:1] != ["WHEN"]
            typed = bool(after) and after[0].startswith("'") and word not in ("WHEN", "THEN", "ELSE", "ARRAY")
            found = called or related or compared or distinct or chosen or typed or word in _REFUSED
        if found:
            yield match.group()


@pytest.mark.parametrize("name", SQL_NAMES)
@pytest.mark.parametrize("version_num", [130000, 180000])
def test_every_name_is_qualified(name: str, version_num: int) -> None:
    assert not list(unqualified(versioned(name, version_num)))


def test_the_statements_that_signal_are_qualified_too() -> None:
    for action in Action:
        assert not list(unqualified(signalling(action)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT pg_backend_pid()", "pg_backend_pid"),
        ("SELECT evil.f()", "f"),
        ("SELECT 1 FROM pg_roles", "pg_roles"),
        ("SELECT 1 FROM pg_catalog.a JOIN b ON true", "b"),
        ("SELECT 1 FROM pg_catalog.a CROSS JOIN LATERAL f(a) AS x", "f"),
        ("SELECT a = 1", "="),
        ("SELECT a OPERATOR(evil.=) 1", "="),
        ("SELECT a || b", "||"),
        ("SELECT a::int4", "::"),
        ("SELECT a::evil.int4", "::"),
        ("SELECT CAST(a AS int4)", "CAST"),
        ("SELECT int4 '5'", "int4"),
        ("SELECT a IN (1)", "IN"),
        ("SELECT a IS DISTINCT FROM 1", "DISTINCT"),
        ("SELECT a NOT LIKE 'x'", "LIKE"),
        ("SELECT CASE a WHEN 1 THEN 2 END", "CASE"),
        ("SELECT 1 FROM pg_catalog.a JOIN pg_catalog.b USING (c)", "USING"),
        ("WITH RECURSIVE mine (oid) AS (SELECT 1) SELECT 1 FROM mine JOIN yours ON true", "yours"),
        ("SELECT a OPERATOR(pg_catalog.=) b UNION SELECT ALL(1)", "ALL"),
    ],
)
def test_the_lint_finds_what_could_be_replaced(text: str, found: str) -> None:
    assert found in list(unqualified(text))


@pytest.fixture
async def trapped(every_cluster: Cluster, clients: Clients) -> AsyncIterator[Cluster]:
    try:
        await lay_traps(every_cluster, clients)
        yield every_cluster
    finally:
        await drop_traps(every_cluster)


#: What stands for the parameters of a statement that nobody shall be hit by.
ARGUMENTS = {
    "activity": (0.0,),
    "blockers": (["1"],),
    "end_own": (1, 1.0),
    "facts_log_chunk": ("none", 0, 1),
    "facts_log_files": (0.0,),
    "facts_overrides": (["work_mem"],),
    "facts_server_values": (["work_mem"],),
    "facts_settings": (["work_mem"],),
    "provider": (["rds.extensions"], ["aurora_version"], ["heroku_ext"]),
    "queries": (["1"],),
    "signal": (1, 1.0, "idle", 1.0, 1.0, "client backend", False, ["61"], True, True, True, True, True, ["61"]),
    "still_there": (1, 1.0),
}


@contextmanager
def no_introspection() -> Iterator[None]:
    """The driver asks for types it does not know in statements of its own, whose names are not qualified."""

    def refuse(*_: object) -> None:
        pytest.fail("the driver asks the server for types")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_introspect_types", refuse)
        yield


async def test_no_statement_calls_anything_of_a_databases_owner(trapped: Cluster, clients: Clients) -> None:
    """Each as a pooler leaves it: with the search_path of the database."""
    before = len(sprung(trapped))
    connection = await clients(trapped, database=TRAPPED)
    texts = {name: versioned(name, trapped.major * 10000) for name in SQL_NAMES}
    for name, text in texts.items():
        if name != "used_exact" or trapped.major >= 17:
            await connection.execute("RESET search_path")
            with no_introspection():
                await connection.fetch(text, *ARGUMENTS.get(name, ()))
    assert sprung(trapped)[before:] == []


async def test_no_session_calls_anything_of_a_databases_owner(
    trapped: Cluster, clients: Clients, sessions: OpenSession
) -> None:
    before = len(sprung(trapped))
    await clients.role(trapped, "trap_watcher", "LOGIN")
    await clients.role(trapped, "trap_web", "LOGIN")
    victim = await clients(trapped, role="trap_web", app="victim")
    with no_introspection():
        for watcher in ("trap_watcher", "postgres"):
            session = await sessions(trapped, user=watcher, database=TRAPPED)
            await session.poll()
        rows = await Recorder(session).link.fetch("SELECT pg_catalog.current_setting('search_path')")
        assert rows[0][0] == "pg_catalog, pg_temp"
        target = await target_of(session, "victim")
        await victim.execute("SELECT 1")
        assert [one.status for one in await session.signal(Action.TERMINATE, [target])] == [Status.CHANGED]
        target = await target_of(session, "victim")
        assert [one.status for one in await session.signal(Action.TERMINATE, [target])] == [Status.SIGNALLED]
    await until(session, lambda one: not any(two.app == "victim" for two in one.backends))
    assert sprung(trapped)[before:] == []


async def target_of(session: Session, app: str) -> Target:
    (found,) = (one for one in (await session.poll()).backends if one.app == app)
    return Target.of(found)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_backend_pid()",
        "SELECT pg_catalog.pg_backend_pid() = 1",
        "SELECT 'a'::pg_catalog.text IS DISTINCT FROM 'b'",
        "SELECT '1'::int4",
        "SELECT rolname FROM pg_roles",
        "SELECT sum(d.xact_commit) FROM pg_catalog.pg_stat_database AS d",
        "SELECT a.pid FROM pg_stat_get_activity(NULL) AS a",
    ],
)
async def test_each_kind_of_trap_works(cluster: Cluster, clients: Clients, text: str) -> None:
    try:
        await lay_traps(cluster, clients)
        victim = await clients(cluster, database=TRAPPED)
        before = len(sprung(cluster))
        await victim.fetch(text)
        assert len(sprung(cluster)) > before
    finally:
        await drop_traps(cluster)
