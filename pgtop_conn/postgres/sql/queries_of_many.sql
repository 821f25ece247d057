-- As queries.sql by a single scan: cheaper when most sessions are asked for, as in the first poll.
SELECT
    s.pid,
    date_part('epoch', s.backend_start) AS backend_start,
    date_part('epoch', s.query_start) AS query_start,
    textsend(s.query) AS query
FROM pg_stat_get_activity(NULL) AS s
JOIN unnest($1::int4[]) AS p ON p = s.pid
