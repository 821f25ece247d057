"""What to change in the code of an application that leaks: a sentence for each mistake, and an example for each driver.

Add an example: an entry in EXAMPLES, under the driver's name in drivers.DRIVERS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pgtop_conn.model.leaks.rules import Mistake


class Fix(NamedTuple):
    """`advice` completes "In application x: …" and may hold {statement}; `why` says how the sessions show it."""

    advice: str
    why: str


FIXES: Mapping[str, Fix] = {
    Mistake.NOT_RELEASED: Fix(
        "return or close the connection on every path, also when an exception is raised; look at the code that"
        " ran {statement}",
        "others were opened although these sessions were there: nobody gave them back to a pool, or closed them",
    ),
    Mistake.NOT_CLOSED: Fix(
        "create the engine, pool or connection once in each process, not in each request, or close it; where all"
        " requests share one pool, give the connection back, also when an exception is raised",
        "each session was used, its transaction ended, and it was never used again: as a rule it belongs to an engine,"
        " a pool or a connection of its own; {statement} is sent at the end of a use and names no code path",
    ),
    Mistake.OPEN_TRANSACTION: Fix(
        "commit or roll back on every path, also when an exception is raised; look at the code that ran {statement}",
        "the transaction of each session is still open and nobody comes back to it",
    ),
    Mistake.UNREAD_RESULT: Fix(
        "read each result to its end or close it; look at the code that ran {statement}",
        "the server waits for the client to read on, and holds the slot meanwhile",
    ),
    Mistake.CLIENT_EACH_TIME: Fix(
        "create the client once in each process, and keep it across reloads of the code",
        "sessions began in blocks of one size, and each block is unused since the next one began",
    ),
    Mistake.NEVER_USED: Fix(
        "close what is opened, or do not open it: health checks and probes are the usual reason",
        "the sessions never ran a statement of the application, and more keep coming",
    ),
}

_PYTHON_POOL = "pool = ConnectionPool(conninfo)  # once in each process\n\nwith pool.connection() as connection:\n    …"
_HIKARI = (
    "try (Connection connection = dataSource.getConnection();\n"
    "     PreparedStatement statement = connection.prepareStatement(sql)) {\n    …\n}  // closed on every path"
)
_NODE = "const client = await pool.connect();\ntry {\n  …\n} finally {\n  client.release();\n}"
_GO_ROWS = "rows, err := db.QueryContext(ctx, sql)\nif err != nil { return err }\ndefer rows.Close()"
_GO_TX = "tx, err := db.BeginTx(ctx, nil)\nif err != nil { return err }\ndefer tx.Rollback()  // no-op after Commit"
_ENGINE = "engine = create_engine(url)  # once in each process, where the module is loaded\n\ndef handle(request):\n"

#: By the driver's name and the mistake.
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "SQLAlchemy": {
        Mistake.NOT_RELEASED: "with engine.connect() as connection:  # given back also when it raises\n    …",
        Mistake.NOT_CLOSED: f"{_ENGINE}    with engine.connect() as connection:\n        …",
        Mistake.OPEN_TRANSACTION: "with engine.begin() as connection:  # commits, or rolls back when it raises\n    …",
        Mistake.UNREAD_RESULT: "with connection.execute(statement) as result:\n    for row in result:\n        …",
    },
    "psycopg": {
        Mistake.NOT_RELEASED: _PYTHON_POOL,
        Mistake.NOT_CLOSED: "from contextlib import closing\n\n"
        "# `with connection` alone does not close it\n"
        "with closing(psycopg2.connect(dsn)) as connection, connection:\n    …",
        Mistake.OPEN_TRANSACTION: "with connection.transaction():\n    …",
        Mistake.UNREAD_RESULT: "with connection.cursor() as cursor:\n    for row in cursor.stream(sql):\n        …",
    },
    "asyncpg": {
        Mistake.NOT_RELEASED: "async with pool.acquire() as connection:\n    …",
        Mistake.NOT_CLOSED: "pool = await asyncpg.create_pool(dsn)  # once in each process\n\n"
        "async with pool.acquire() as connection:\n    …",
        Mistake.OPEN_TRANSACTION: "async with connection.transaction():\n    …",
    },
    "Django": {
        Mistake.NOT_RELEASED: "from django.db import close_old_connections\n\n"
        "try:  # in threads of your own\n    …\nfinally:\n    close_old_connections()",
        Mistake.OPEN_TRANSACTION: "with transaction.atomic():\n    …",
    },
    "HikariCP (JDBC)": {
        Mistake.NOT_RELEASED: _HIKARI,
        Mistake.NOT_CLOSED: "// once in each process\n"
        "static final HikariDataSource POOL = new HikariDataSource(config);",
        Mistake.OPEN_TRANSACTION: _HIKARI.replace(
            "    …", "    connection.setAutoCommit(false);\n    …\n    connection.commit();"
        ),
        Mistake.UNREAD_RESULT: _HIKARI,
    },
    "node-postgres": {
        Mistake.NOT_RELEASED: _NODE,
        Mistake.NOT_CLOSED: "// once in each process, in a module of its own\nexport const pool = new Pool(config);",
        Mistake.CLIENT_EACH_TIME: "// survives hot reloads\nglobalThis.pool ??= new Pool(config);",
        Mistake.OPEN_TRANSACTION: _NODE.replace(
            "  …",
            "  await client.query('BEGIN');\n  …\n  await client.query('COMMIT');\n} catch (error) {\n"
            "  await client.query('ROLLBACK');\n  throw error;",
        ),
    },
    "Prisma": {
        Mistake.NOT_CLOSED: "// once in each process\nexport const prisma = new PrismaClient();",
        Mistake.CLIENT_EACH_TIME: "// survives hot reloads\n"
        "export const prisma = (globalThis.prisma ??= new PrismaClient());",
    },
    "postgres.js": {
        Mistake.NOT_CLOSED: "// once in each process\nexport default postgres(url, { max: 10 });",
        Mistake.CLIENT_EACH_TIME: "// survives hot reloads\nexport const sql = (globalThis.sql ??= postgres(url));",
    },
    "Go database/sql (pgx, lib/pq)": {
        Mistake.NOT_RELEASED: _GO_ROWS,
        Mistake.UNREAD_RESULT: _GO_ROWS,
        Mistake.OPEN_TRANSACTION: _GO_TX,
        Mistake.NOT_CLOSED: '// sql.Open makes a pool: once in each process\nvar db = must(sql.Open("pgx", dsn))',
    },
    "Npgsql": {
        Mistake.NOT_RELEASED: "await using var connection = await dataSource.OpenConnectionAsync();",
        Mistake.UNREAD_RESULT: "await using var reader = await command.ExecuteReaderAsync();",
        Mistake.OPEN_TRANSACTION: "await using var transaction = await connection.BeginTransactionAsync();",
    },
    "Rails (ActiveRecord)": {
        Mistake.NOT_RELEASED: "# in threads of your own\n"
        "ActiveRecord::Base.connection_pool.with_connection do |connection|\n  …\nend",
        Mistake.OPEN_TRANSACTION: "ActiveRecord::Base.transaction do\n  …\nend",
    },
}


def example(driver: str, mistake: str) -> str:
    """Code for this driver; "" where none is known."""
    return EXAMPLES.get(driver, {}).get(mistake, "")
