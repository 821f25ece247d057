-- 17 and older: sessions that take a slot and have no row yet hold a virtual transaction already. One that is just
-- being born shows here too, so only a pid seen twice in a row counts. On 17 the virtual transaction begins with the
-- process number, which tells a client from a walsender that authenticates.
SELECT l.pid
FROM pg_locks AS l
WHERE l.locktype = 'virtualxid'
    AND l.mode = 'ExclusiveLock'
    AND l.granted
    AND l.pid IS NOT NULL
    AND (
        current_setting('server_version_num')::int4 < 170000
        OR split_part(l.virtualtransaction, '/', 1)::int4 < current_setting('max_connections')::int4
    )
    AND NOT EXISTS (SELECT FROM pg_stat_get_activity(NULL) AS a WHERE a.pid = l.pid)
