-- Direct connections only: behind a pooler a SET reaches other clients. A setting this server does not know is skipped.
SELECT pg_catalog.set_config(wanted.name, wanted.value, false)
FROM (
    VALUES
        ('search_path', 'pg_catalog, pg_temp'),
        ('statement_timeout', '3s'),
        ('lock_timeout', '500ms'),
        ('idle_session_timeout', '0'),
        -- Below it a large server's rows go through a temporary file at every refresh.
        ('work_mem', '16MB'),
        ('jit', 'off'),
        ('default_transaction_read_only', 'on')
) AS wanted (name, value)
WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
