-- 17 and newer, when rows are hidden from us: backend ids are process numbers, and the first max_connections of them
-- are the client slots (src/backend/storage/lmgr/proc.c). Who sits in them is open to everyone.
SELECT array_agg(pg_stat_get_backend_pid(i)) AS pids
FROM pg_stat_get_backend_idset() AS i
WHERE i < current_setting('max_connections')::int4
