-- For a diagnosis: $1 names the settings. What our own session has set shows as what a new session of ours would get:
-- set_config() with NULL puts the default back, and with `true` for this statement alone.
SELECT
    s.name,
    pg_catalog.textsend(s.setting) AS value,
    coalesce(s.unit, '') AS unit,
    pg_catalog.textsend(pg_catalog.current_setting(s.name)) AS shown,
    s.context,
    s.source,
    s.pending_restart
FROM pg_catalog.pg_settings AS s
-- A condition without columns of the table is decided before the table is read.
WHERE (
        SELECT pg_catalog.count(pg_catalog.set_config(n, NULL, true))
        FROM pg_catalog.unnest(
            ARRAY[
                'statement_timeout',
                'lock_timeout',
                'idle_session_timeout',
                'idle_in_transaction_session_timeout',
                'transaction_timeout',
                'work_mem'
            ]
        ) AS n
        WHERE pg_catalog.current_setting(n, true) IS NOT NULL
    ) OPERATOR(pg_catalog.>) 0
    AND s.name OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
