-- Who holds a lock of any kind, who an advisory one, which an idle session may, and who uses a replication slot. The
-- instant is that of the beginning. The locks are looked at once, for both.
SELECT
    pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) AS at,
    coalesce(pg_catalog.array_agg(h.pid)::pg_catalog.text[], ARRAY[]::pg_catalog.text[]) AS holders,
    coalesce(
        pg_catalog.array_remove(pg_catalog.array_agg(CASE WHEN h.advisory THEN h.pid END), NULL)::pg_catalog.text[],
        ARRAY[]::pg_catalog.text[]
    ) AS advisory,
    ARRAY(
        SELECT s.active_pid FROM pg_catalog.pg_get_replication_slots() AS s WHERE s.active_pid IS NOT NULL
    )::pg_catalog.text[] AS slots
FROM (
    SELECT
        l.pid,
        pg_catalog.bool_or(l.locktype OPERATOR(pg_catalog.=) 'advisory') AS advisory
    FROM pg_catalog.pg_locks AS l
    WHERE l.granted AND l.pid IS NOT NULL AND l.locktype OPERATOR(pg_catalog.<>) 'virtualxid'
    GROUP BY l.pid
) AS h
