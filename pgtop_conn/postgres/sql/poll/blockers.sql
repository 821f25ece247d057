-- Who blocks the sessions that wait on a lock; only for their pids, since it takes every lock partition.
SELECT p AS pid, pg_catalog.pg_blocking_pids(p)::pg_catalog.text[] AS blocked_by
FROM pg_catalog.unnest($1::pg_catalog.text[]::pg_catalog.int4[]) AS p
