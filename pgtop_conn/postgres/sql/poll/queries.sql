-- Query texts of the sessions whose query changed, as bytes: text of a foreign encoding would fail the whole reading.
SELECT
    s.pid,
    pg_catalog.date_part('epoch', s.backend_start) AS backend_start,
    pg_catalog.date_part('epoch', s.query_start) AS query_start,
    pg_catalog.textsend(s.query) AS query
FROM pg_catalog.unnest($1::pg_catalog.text[]::pg_catalog.int4[]) AS p
CROSS JOIN LATERAL pg_catalog.pg_stat_get_activity(p) AS s
