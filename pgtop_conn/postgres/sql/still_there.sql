-- After a signal statement that found nobody: is the session there at all, and in what state?
SELECT
    a.state,
    pg_catalog.date_part('epoch', a.state_change) AS state_change,
    pg_catalog.date_part('epoch', a.query_start) AS query_start
FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
WHERE a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($2::pg_catalog.float8)
