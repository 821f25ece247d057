-- Counts since the last reset, over all databases. Shared objects (datid 0) are no database.
SELECT
    date_part('epoch', clock_timestamp()) AS at,
    sum(d.sessions)::int8 AS opened,
    sum(d.sessions_abandoned)::int8 AS abandoned,
    sum(d.sessions_fatal)::int8 AS fatal,
    sum(d.sessions_killed)::int8 AS killed,
    coalesce(sum(d.xact_commit + d.xact_rollback), 0)::int8 AS transactions,
    coalesce(sum(d.numbackends), 0)::int4 AS numbackends
FROM pg_stat_database AS d
WHERE d.datid <> 0
