-- For a diagnosis: files of the server's log that were written to since $1 (epoch). Needs pg_monitor.
SELECT
    pg_catalog.textsend(f.name) AS name,
    f.size,
    pg_catalog.date_part('epoch', f.modification) AS modified
FROM pg_catalog.pg_ls_logdir() AS f
-- Without the collector there may be no such folder, and the function fails; a condition without columns comes first.
WHERE pg_catalog.current_setting('logging_collector')::pg_catalog.bool
    AND f.modification OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($1::pg_catalog.float8)
