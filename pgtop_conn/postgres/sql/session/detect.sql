-- The first statement on every connection: a pooler hands out another pid than the one that answers here.
SELECT
    pg_catalog.pg_backend_pid() AS pid,
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version_num,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool AS read_only
