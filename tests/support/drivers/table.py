"""DRIVERS and BEHAVIOURS: every driver behaves in every way that it can. Add one: a line here."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.drivers import healthy_scenarios, leaking_scenarios
from tests.support.drivers.incidents import INCIDENTS
from tests.support.drivers.scenario import Behaviour, Driver, Fill, Scenario

VERSIONS = (13, 18)

DRIVERS = (
    Driver("SQLAlchemy psycopg2", "python", "pools", {"driver": "sqlalchemy", "under": "psycopg2"}),
    Driver("SQLAlchemy psycopg LIFO", "python", "pools", {"driver": "sqlalchemy", "under": "psycopg", "lifo": True}),
    Driver("SQLAlchemy asyncpg", "python", "async_pools", {"driver": "sqlalchemy", "under": "asyncpg"}),
    Driver("psycopg_pool", "python", "pools", {"driver": "psycopg_pool"}, app="billing"),
    Driver("psycopg2 pool", "python", "pools", {"driver": "psycopg2"}, app="mailer"),
    Driver("asyncpg", "python", "async_pools", {"driver": "asyncpg"}, app=""),
    Driver("pg8000", "python", "pools", {"driver": "pg8000"}, app="reports"),
    Driver("psycopg", "python", "pools", {"driver": "psycopg"}, app=""),
    Driver("Django", "python", "pools", {"driver": "django"}, app="gunicorn", oldest=14),
    Driver("node-postgres", "node", "pools", {"driver": "pg"}, app="shop-api"),
    Driver("postgres.js", "node", "pools", {"driver": "postgres"}, app="postgres.js"),
    Driver("Knex", "node", "pools", {"driver": "knex"}, cannot=frozenset({"unread"}), app=""),
    Driver("Sequelize", "node", "pools", {"driver": "sequelize"}, cannot=frozenset({"unread"}), app=""),
    Driver("TypeORM", "node", "pools", {"driver": "typeorm"}, cannot=frozenset({"unread"}), app="cart"),
    Driver("HikariCP", "java", "Pools", {"driver": "hikari"}, app="PostgreSQL JDBC Driver"),
    Driver("DBCP2", "java", "Pools", {"driver": "dbcp2"}, app="PostgreSQL JDBC Driver"),
    Driver("c3p0", "java", "Pools", {"driver": "c3p0"}, app="warehouse"),
    Driver("ActiveRecord", "ruby", "active_record", {}, app="puma"),
    Driver("lib-pq", "go", "pools", {"driver": "pq"}, app=""),
    Driver("pgxpool", "go", "pools", {"driver": "pgx"}, app="ledger"),
    Driver("PgBouncer session", "python", "pools", {"driver": "psycopg2", "through": "session"}, app="intake"),
    Driver(
        "PgBouncer transaction",
        "python",
        "pools",
        {"driver": "psycopg2", "through": "transaction"},
        # What is forgotten outside a transaction holds no connection of the server.
        cannot=frozenset({"forgotten", "error path", "pool each", "with", "reload"}),
        app="intake",
    ),
)

HEALTHY = (
    Behaviour("warm idle", healthy_scenarios.warm_idle, False),
    Behaviour("cold tail", healthy_scenarios.cold_tail, False, {"lifo": True}),
    Behaviour("bursts", healthy_scenarios.bursts, False),
    Behaviour("kept alive", healthy_scenarios.kept_alive, False),
    Behaviour("rolling", healthy_scenarios.rolling, False),
    Behaviour("workers", healthy_scenarios.workers, False),
)

LEAKING = (
    Behaviour("forgotten", leaking_scenarios.by("leak"), True),
    Behaviour("error path", leaking_scenarios.error_path, True),
    Behaviour("pool each", leaking_scenarios.by("engine", works=False), True),
    Behaviour("with", leaking_scenarios.by("with", works=False), True),
    Behaviour("transaction", leaking_scenarios.by("transaction"), True),
    Behaviour("unread", leaking_scenarios.by("unread"), True),
    Behaviour("reload", leaking_scenarios.reload, True),
)

BEHAVIOURS = HEALTHY + LEAKING


def scenarios(*, every: bool = False) -> Iterator[Scenario]:
    """All that there are; without `every` each driver's behaviour on one of the four kinds of servers, in turn."""
    for row, driver in enumerate(DRIVERS):
        kinds = [(major, fill) for major in VERSIONS if major >= driver.oldest for fill in Fill]
        for column, behaviour in enumerate(BEHAVIOURS):
            if behaviour.name in driver.cannot:
                continue
            for major, fill in kinds if every else [kinds[(row + column) % len(kinds)]]:
                yield Scenario(driver, behaviour, major, fill)
    yield from INCIDENTS
