-- Counts since the last reset, over all databases. Shared objects (datid 0) are no database.
-- The sessions of each are not asked for: the server would copy the state of all of them once more.
SELECT
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS at,
    pg_catalog.sum(d.sessions)::pg_catalog.int8 AS opened,
    pg_catalog.sum(d.sessions_abandoned)::pg_catalog.int8 AS abandoned,
    pg_catalog.sum(d.sessions_fatal)::pg_catalog.int8 AS fatal,
    pg_catalog.sum(d.sessions_killed)::pg_catalog.int8 AS killed,
    coalesce(pg_catalog.sum(d.xact_commit OPERATOR(pg_catalog.+) d.xact_rollback), 0)::pg_catalog.int8 AS transactions
FROM pg_catalog.pg_stat_database AS d
WHERE d.datid OPERATOR(pg_catalog.<>) 0
