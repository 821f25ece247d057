-- 17 and older: who holds a virtual transaction. That is everybody who is in a transaction, and besides them whoever
-- authenticates; see authenticating.sql, which costs the server several times as much. One row: thousands take longer to
-- read than to find.
SELECT
    ARRAY(
        SELECT l.pid FROM pg_catalog.pg_locks AS l
        WHERE l.locktype OPERATOR(pg_catalog.=) 'virtualxid'
            AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'
            AND l.granted
            AND l.pid IS NOT NULL
    )::pg_catalog.text[] AS pids
