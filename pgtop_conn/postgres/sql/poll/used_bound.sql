-- 16 and older, when rows are hidden from us: who may hold a slot. A hidden parallel or background worker that has a
-- role cannot be told from a client, so this is an upper bound.
SELECT
    ARRAY(
        SELECT a.pid
        FROM pg_catalog.pg_stat_get_activity(NULL) AS a
        WHERE a.datid OPERATOR(pg_catalog.<>) 0
            AND a.usesysid OPERATOR(pg_catalog.<>) 0
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_stat_get_wal_senders() AS w WHERE w.pid OPERATOR(pg_catalog.=) a.pid
            )
            AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_stat_get_subscription(NULL) AS s WHERE s.pid OPERATOR(pg_catalog.=) a.pid
            )
    )::pg_catalog.text[] AS pids
