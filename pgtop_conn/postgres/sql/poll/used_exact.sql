-- 17 and newer, when rows are hidden from us: backend ids are process numbers, and the first max_connections of them
-- are the client slots (src/backend/storage/lmgr/proc.c). Who sits in them is open to everyone.
SELECT
    ARRAY(
        SELECT pg_catalog.pg_stat_get_backend_pid(i)
        FROM pg_catalog.pg_stat_get_backend_idset() AS i
        WHERE i OPERATOR(pg_catalog.<) pg_catalog.current_setting('max_connections')::pg_catalog.int4
    )::pg_catalog.text[] AS pids
