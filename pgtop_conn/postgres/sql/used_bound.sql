-- 16 and older, when rows are hidden from us: an upper bound, parallel and background workers with a role included.
SELECT count(*)::int4 AS used
FROM pg_stat_get_activity(NULL) AS a
WHERE a.datid <> 0
    AND a.usesysid <> 0
    AND NOT EXISTS (SELECT FROM pg_stat_get_wal_senders() AS w WHERE w.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_get_subscription(NULL) AS s WHERE s.pid = a.pid)
