-- 17 and older: sessions that take a slot and have no row yet hold a virtual transaction already. One that is just
-- being born shows here too, so only a pid seen twice in a row counts. On 17 the virtual transaction begins with the
-- process number, which tells a client from a walsender that authenticates.
-- NOT = ANY is hashed; NOT EXISTS was planned as a nested loop over all sessions (20 ms against 6 at 2,000).
SELECT l.pid
FROM pg_catalog.pg_locks AS l
WHERE l.locktype OPERATOR(pg_catalog.=) 'virtualxid'
    AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'
    AND l.granted
    AND l.pid IS NOT NULL
    AND (
        pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.<) 170000
        OR pg_catalog.split_part(l.virtualtransaction, '/', 1)::pg_catalog.int4
            OPERATOR(pg_catalog.<) pg_catalog.current_setting('max_connections')::pg_catalog.int4
    )
    AND NOT (
        l.pid OPERATOR(pg_catalog.=) ANY (SELECT a.pid FROM pg_catalog.pg_stat_get_activity(NULL) AS a)
    )
