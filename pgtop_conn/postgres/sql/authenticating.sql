-- 17 and older: sessions that take a slot and have no row yet hold a virtual transaction already. One that is just
-- being born shows here too, so only a pid seen twice in a row counts.
SELECT l.pid
FROM pg_locks AS l
WHERE l.locktype = 'virtualxid'
    AND l.mode = 'ExclusiveLock'
    AND l.granted
    AND l.pid IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_stat_get_activity(NULL) AS a WHERE a.pid = l.pid)
