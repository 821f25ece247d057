-- Query texts of the sessions whose query changed, as bytes: text of a foreign encoding would fail the whole reading.
SELECT
    s.pid,
    date_part('epoch', s.backend_start) AS backend_start,
    date_part('epoch', s.query_start) AS query_start,
    textsend(s.query) AS query
FROM unnest($1::int4[]) AS p
CROSS JOIN LATERAL pg_stat_get_activity(p) AS s
