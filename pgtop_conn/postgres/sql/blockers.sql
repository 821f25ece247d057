-- Who blocks the sessions that wait on a lock; only for their pids, since it takes every lock partition.
SELECT p AS pid, pg_blocking_pids(p) AS blocked_by
FROM unnest($1::int4[]) AS p
