-- After a signal statement that found nobody: is the session there at all, and in what state?
SELECT a.state, date_part('epoch', a.state_change) AS state_change, date_part('epoch', a.query_start) AS query_start
FROM pg_stat_get_activity($1::int4) AS a
WHERE a.backend_start = to_timestamp($2::float8)
