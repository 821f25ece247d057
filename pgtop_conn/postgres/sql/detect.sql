-- The first statement on every connection: a pooler hands out another pid than the one that answers here.
SELECT
    pg_backend_pid() AS pid,
    current_setting('server_version_num')::int4 AS version_num,
    pg_is_in_recovery() AS in_recovery,
    current_setting('default_transaction_read_only')::bool AS read_only
