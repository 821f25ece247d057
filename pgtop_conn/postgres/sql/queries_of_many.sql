-- As queries.sql by a single scan: cheaper when most sessions are asked for, as in the first poll.
SELECT
    s.pid,
    pg_catalog.date_part('epoch', s.backend_start) AS backend_start,
    pg_catalog.date_part('epoch', s.query_start) AS query_start,
    pg_catalog.textsend(s.query) AS query
FROM pg_catalog.pg_stat_get_activity(NULL) AS s
JOIN pg_catalog.unnest($1::pg_catalog.text[]::pg_catalog.int4[]) AS p ON p OPERATOR(pg_catalog.=) s.pid
