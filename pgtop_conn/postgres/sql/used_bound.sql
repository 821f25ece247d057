-- 16 and older, when rows are hidden from us: who may hold a slot. A hidden parallel or background worker that has a
-- role cannot be told from a client, so this is an upper bound.
SELECT array_agg(a.pid) AS pids
FROM pg_stat_get_activity(NULL) AS a
WHERE a.datid <> 0
    AND a.usesysid <> 0
    AND NOT EXISTS (SELECT FROM pg_stat_get_wal_senders() AS w WHERE w.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_get_subscription(NULL) AS s WHERE s.pid = a.pid)
