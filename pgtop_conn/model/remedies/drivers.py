"""Drivers and pools that applications are recognised by, and what to set in each. Add one: an entry in DRIVERS.

Recognised by application_name first, then by what a driver leaves as the last statement of its idle sessions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pgtop_conn.model.snapshot import Backend
from pgtop_conn.model.text import one_line

#: So large a share of the sessions must end with a driver's statement before that tells the driver.
_TELLING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Driver:
    """`settings` has {size}, {minimum} and {spare} for the pool of one instance; `note` is what to know of it."""

    name: str
    settings: str
    note: str = ""
    #: Regular expressions, without case, for the whole application_name and for the beginning of the last statement.
    apps: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    #: Names of its main options: what is told where no driver was recognised.
    options: str = ""


DRIVERS: tuple[Driver, ...] = (
    Driver(
        "HikariCP (JDBC)",
        "maximumPoolSize={size}\nminimumIdle={minimum}\nmaxLifetime=1800000\nidleTimeout=600000\n"
        "leakDetectionThreshold=60000\nconnectionTimeout=10000",
        "minimumIdle below maximumPoolSize lets idle sessions go; leakDetectionThreshold logs the stack of code that"
        " keeps one for more than 60 s",
        apps=(r"postgresql jdbc driver", r".*hikari.*"),
        statements=(r"set (?:session )?application_name = 'postgresql jdbc driver'", r"set extra_float_digits"),
        options="maximumPoolSize, minimumIdle, leakDetectionThreshold, maxLifetime",
    ),
    Driver(
        "Django",
        'CONN_MAX_AGE = 60\nCONN_HEALTH_CHECKS = True\nOPTIONS = {{"pool": {{"min_size": {minimum},'
        ' "max_size": {size}}}}}  # 5.1+ with psycopg 3; then CONN_MAX_AGE = 0',
        "without a pool each thread of each worker keeps one session for CONN_MAX_AGE: run at most {size} threads an"
        " instance",
        apps=(r"django.*",),
        statements=(
            r'(?:select|insert|update|delete)\b.*"(?:django|auth)_',
            r"select set_config\('timezone'",
        ),
        options="max_size (of the pool), CONN_MAX_AGE, CONN_HEALTH_CHECKS",
    ),
    Driver(
        "Rails (ActiveRecord)",
        "pool: {size}\ncheckout_timeout: 5\nreaping_frequency: 30\nidle_timeout: 120",
        "each puma worker and each sidekiq process has a pool of its own: threads ≤ pool, and workers × pool is what"
        " an instance takes",
        apps=(r"puma: .*", r"sidekiq[ :].*", r"(?:bin/)?rails\b.*", r"unicorn .*", r"resque-.*", r"good_job.*"),
        statements=(r"set standard_conforming_strings = on", r"select (?:a\.)?attname, format_type"),
        options="pool, reaping_frequency, idle_timeout",
    ),
    Driver(
        "node-postgres",
        "new Pool({{ max: {size}, min: {minimum}, idleTimeoutMillis: 30000, connectionTimeoutMillis: 5000,"
        " maxLifetimeSeconds: 1800 }})",
        "one Pool for each process, not for each request; client.release() belongs in a finally block",
        apps=(r"node(?:\.?js)?\b.*", r"node-postgres.*", r"knex.*", r"typeorm.*", r"sequelize.*"),
        options="max, idleTimeoutMillis",
    ),
    Driver(
        "Go database/sql (pgx, lib/pq)",
        "db.SetMaxOpenConns({size})\ndb.SetMaxIdleConns({minimum})\ndb.SetConnMaxLifetime(30 * time.Minute)\n"
        "db.SetConnMaxIdleTime(5 * time.Minute)",
        "without SetMaxOpenConns there is no limit at all; rows.Close() and tx.Rollback() belong in a defer",
        apps=(r"pgx.*", r"go-.*", r"golang.*"),
        statements=(r"-- ping", r";\Z"),
        options="SetMaxOpenConns, SetMaxIdleConns, SetConnMaxLifetime, SetConnMaxIdleTime",
    ),
    Driver(
        "Npgsql",
        "Maximum Pool Size={size};Minimum Pool Size={minimum};Connection Idle Lifetime=300;Connection Lifetime=1800",
        "a pool for each distinct connection string of each process; connections belong in a using",
        apps=(r".*npgsql.*", r"\.net.*"),
        statements=(r"close all; ?unlisten \*; ?select pg_advisory_unlock_all",),
        options="Maximum Pool Size, Connection Idle Lifetime",
    ),
    Driver(
        "asyncpg",
        "asyncpg.create_pool(min_size={minimum}, max_size={size}, max_inactive_connection_lifetime=300)",
        "min_size is opened at once by every process; the default is 10",
        apps=(r"asyncpg.*",),
        statements=(r"select pg_advisory_unlock_all\(\); ?close all; ?unlisten \*; ?reset all",),
        options="max_size, min_size, max_inactive_connection_lifetime",
    ),
    Driver(
        "PHP (PDO)",
        "pm.max_children = {size}\nPDO::ATTR_PERSISTENT = false",
        "each PHP-FPM worker keeps one session, and a persistent one for the worker's life; a pooler is what bounds it",
        apps=(r"php\b.*", r"php-fpm.*", r"laravel.*", r"symfony.*", r"drupal.*"),
        statements=(r"deallocate pdo_stmt_",),
        options="pm.max_children, PDO::ATTR_PERSISTENT",
    ),
    Driver(
        "postgres.js",
        "postgres(url, {{ max: {size}, idle_timeout: 30, max_lifetime: 60 * 30, connect_timeout: 10 }})",
        "one instance for each process; each call of postgres() is a pool of its own",
        apps=(r"postgres\.js",),
        options="max, idle_timeout, max_lifetime",
    ),
    Driver(
        "Prisma",
        "datasource url: …?connection_limit={size}&pool_timeout=10",
        "one PrismaClient for each process; without connection_limit it opens twice the cores and one",
        apps=(r"prisma.*",),
        options="connection_limit, pool_timeout",
    ),
    Driver(
        "Ecto (Postgrex)",
        "pool_size: {size}, queue_target: 50, queue_interval: 1000",
        "pool_size is opened at once by every node; its keep-alive makes idle times young, so judge by unused>…",
        apps=(r"postgrex.*", r"ecto.*"),
        options="pool_size, pool_count",
    ),
    Driver(
        "psycopg",
        "ConnectionPool(conninfo, min_size={minimum}, max_size={size}, max_idle=300, max_lifetime=1800)",
        "one pool for each process; `with connection:` of psycopg2 ends a transaction and does not close it",
        apps=(r"psycopg.*",),
        options="max_size, min_size, max_idle, max_lifetime",
    ),
    # Last, since a ROLLBACK at the end of a checkout is what other pools leave too.
    Driver(
        "SQLAlchemy",
        "create_engine(url, pool_size={minimum}, max_overflow={spare}, pool_recycle=1800, pool_pre_ping=True,"
        " pool_timeout=10)",
        "pool_size and max_overflow together are what one process takes; every worker process has an engine of its own",
        apps=(r"sqlalchemy.*", r"airflow.*"),
        statements=(r"rollback;?\Z", r"select pg_catalog\.version\(\)", r"show standard_conforming_strings"),
        options="pool_size, max_overflow, pool_recycle, pool_pre_ping",
    ),
)


def recognise(app: str, sessions: Sequence[Backend]) -> Driver | None:
    """The driver behind one application; None where nothing tells it.

    >>> recognise("puma: cluster worker 0: 17 [shop]", ()).name
    'Rails (ActiveRecord)'
    """
    return recognised(app, sessions)[0]


def recognised(app: str, sessions: Sequence[Backend]) -> tuple[Driver | None, str]:
    """The driver behind one application, and what it was recognised by; None and "" where nothing tells it."""
    for driver in DRIVERS:
        if any(re.fullmatch(pattern, app, re.IGNORECASE) for pattern in driver.apps):
            return driver, "by its application_name"
    votes: Counter[str] = Counter()
    for backend in sessions:
        statement = one_line(backend.query)
        told = next((one for one in DRIVERS if _left_by(one, statement)), None) if statement else None
        if told is not None:
            votes[told.name] += 1
    if not votes:
        return None, ""
    name, count = votes.most_common(1)[0]
    if count < _TELLING_SHARE * len(sessions):
        return None, ""
    sure = f"probably, by the last statement of {count} of {len(sessions)} sessions"
    return next(one for one in DRIVERS if one.name == name), sure


def _left_by(driver: Driver, statement: str) -> bool:
    return any(re.match(pattern, statement, re.IGNORECASE) for pattern in driver.statements)


def settings_text(driver: Driver, size: int) -> str:
    """The driver's settings for a pool of `size` in each instance."""
    minimum = max(1, size // 2)
    return driver.settings.format(size=size, minimum=minimum, spare=size - minimum)


def note_of(driver: Driver, size: int) -> str:
    """What to know when setting them."""
    return driver.note.format(size=size)


def main_options() -> str:
    """The option names of the main drivers, a line each, for an application that was not recognised."""
    return "\n".join(f"{driver.name}: {driver.options}" for driver in DRIVERS if driver.options)


def size_options() -> str:
    """What the size of a pool is called in each of them, as the end of a sentence."""
    return ", ".join(f"{driver.options.split(', ')[0]} in {driver.name}" for driver in DRIVERS if driver.options)
