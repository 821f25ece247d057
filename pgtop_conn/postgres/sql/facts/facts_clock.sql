-- For a diagnosis: the server's clock, who asks, and how far log_timezone was ahead of UTC in each quarter of an hour of
-- the last 27 hours; zones change at such a moment.
SELECT
    clock.at,
    pg_catalog.textsend(pg_catalog.quote_ident(current_user::pg_catalog.text)) AS role,
    pg_catalog.textsend(pg_catalog.quote_ident(pg_catalog.current_database()::pg_catalog.text)) AS database,
    quarter OPERATOR(pg_catalog.*) 900::pg_catalog.int8 AS since,
    pg_catalog.date_part(
        'epoch',
        pg_catalog.timezone(
            pg_catalog.current_setting('log_timezone'),
            pg_catalog.to_timestamp((quarter OPERATOR(pg_catalog.*) 900::pg_catalog.int8)::pg_catalog.float8)
        )
    ) OPERATOR(pg_catalog.-) (quarter OPERATOR(pg_catalog.*) 900::pg_catalog.int8)::pg_catalog.float8 AS ahead_s
FROM (SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) AS at) AS clock
CROSS JOIN LATERAL pg_catalog.generate_series(
    (clock.at OPERATOR(pg_catalog./) 900::pg_catalog.float8)::pg_catalog.int8 OPERATOR(pg_catalog.-) 109::pg_catalog.int8,
    (clock.at OPERATOR(pg_catalog./) 900::pg_catalog.float8)::pg_catalog.int8
) AS quarter
ORDER BY quarter
