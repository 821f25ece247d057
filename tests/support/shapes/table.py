"""SHAPES: all of them. Add one: write its builder, add a line."""

from __future__ import annotations

from pgtop_conn.model.findings import Cause
from tests.support.shapes import applications, crowds, leaks, pools
from tests.support.shapes.shape import Shape, together

NO_RESERVE = {"superuser_reserved_connections": "0", "max_connections": "31"}

CAUSES = (
    Shape("leak, asyncpg", leaks.by_asyncpg(), (Cause.LEAK,), 8, everywhere=True),
    Shape("leak, SQLAlchemy", leaks.by_sqlalchemy(commits=True), (Cause.LEAK,), 8),
    Shape("leak, SQLAlchemy in transactions", leaks.by_sqlalchemy(commits=False), (Cause.LEAK,), 8),
    Shape("leak, psycopg_pool", leaks.by_psycopg_pool, (Cause.LEAK,), 8),
    Shape("leak, never a query", leaks.without_a_query, (Cause.LEAK,), 8),
    Shape("leak beside healthy pools", together(leaks.by_asyncpg(), pools.sqlalchemy, pools.hikari), (Cause.LEAK,), 8),
    Shape("traffic spike", crowds.spike, (Cause.TRAFFIC,)),
    Shape("pile-up behind a blocker", crowds.blocker(12), (Cause.BLOCKER,), everywhere=True),
    Shape("idle in transaction", crowds.in_transactions(18), (Cause.IDLE_IN_TRANSACTION,), everywhere=True),
    # A session waits for its client after ten seconds.
    Shape("results that nobody reads on", crowds.unread(18), (Cause.CLIENT_WAIT,), 13, everywhere=True),
    Shape("oversized pool", crowds.oversized, (Cause.OVERSIZED_POOL,), 8),
    Shape("role at its limit", crowds.role_limit, (Cause.ROLE_LIMIT,), 4),
    Shape("database at its limit", crowds.database_limit, (Cause.DATABASE_LIMIT,), 4),
    Shape("full, no superuser reserve", crowds.full(5, 6), (Cause.RESERVE,), settings=NO_RESERVE),
    Shape("logins that never finish", crowds.unfinished_logins, (Cause.AUTHENTICATING,), 4, everywhere=True),
    Shape("all walsenders taken", crowds.walsenders, (Cause.WALSENDERS,), 4),
    Shape("reconnect storm", crowds.reconnecting, (Cause.RECONNECT_STORM,), 8),
    Shape("storm after a restart", crowds.restarting, (Cause.RECONNECT_STORM,), 8),
)

PAIRS = (
    Shape(
        "leak, and a smaller pile-up",
        together(leaks.by_asyncpg(first=12), crowds.blocker(8)),
        (Cause.LEAK, Cause.BLOCKER),
        8,
    ),
    Shape(
        "pile-up, and a smaller leak",
        together(crowds.blocker(25), leaks.by_asyncpg(every_s=0.5, most=16)),
        (Cause.BLOCKER, Cause.LEAK),
        # It ends at 16 sessions, and is known ten seconds after that.
        22,
    ),
    Shape(
        "leak, and a role at its limit",
        together(leaks.by_asyncpg(first=12), crowds.role_limit),
        (Cause.LEAK, Cause.ROLE_LIMIT),
        8,
    ),
    Shape(
        "no reserve, full of open transactions",
        together(crowds.in_transactions(20), crowds.full(2, 5)),
        (Cause.IDLE_IN_TRANSACTION, Cause.RESERVE),
        settings=NO_RESERVE,
    ),
)

HEALTHY = (
    Shape("SQLAlchemy QueuePool", pools.sqlalchemy, everywhere=True),
    Shape("HikariCP, idle", pools.hikari),
    Shape("HikariCP, in use", pools.hikari_in_use),
    Shape("Django CONN_MAX_AGE", pools.django),
    Shape("Rails, 4 x 5 with a reaper", pools.rails),
    Shape("node-postgres", pools.node_postgres),
    Shape("Go database/sql", pools.database_sql),
    Shape("psycopg_pool", pools.psycopg_pool),
    Shape("asyncpg pool", pools.asyncpg_pool),
    Shape("PgBouncer, 40 clients", pools.behind_pgbouncer),
    Shape("pool growing with its work", pools.growing_with_its_work, watch_s=8),
    Shape("more instances", pools.more_instances, watch_s=8),
    Shape("transactions that end", pools.transactions_that_end),
    Shape("waits that end", pools.waits_that_end),
    Shape("rolling deployment", pools.rolling_deployment),
    Shape("LISTEN", applications.listeners),
    Shape("pg_dump -j2", applications.dump),
    Shape("monitoring agent", applications.monitoring_agent),
    Shape("people with psql", applications.humans),
    Shape("session per request", applications.one_session_per_request),
    Shape("batch in one transaction", applications.batch),
    Shape("standby and pg_receivewal", applications.replication),
)

SHAPES = CAUSES + PAIRS + HEALTHY
