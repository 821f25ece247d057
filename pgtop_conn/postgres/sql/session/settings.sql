-- Direct connections only: behind a pooler a SET reaches other clients. A setting this server does not know is skipped.
-- Whatever a role or a database may have that keeps our statements from an answer, ends our session, or costs the
-- server more than a look should.
SELECT pg_catalog.set_config(wanted.name, wanted.value, false)
FROM (
    VALUES
        ('search_path', 'pg_catalog, pg_temp'),
        ('statement_timeout', '3s'),
        ('lock_timeout', '500ms'),
        -- Otherwise a session whose statement is refused ends.
        ('exit_on_error', 'off'),
        -- Below it a large server's rows go through a temporary file at every refresh.
        ('work_mem', '16MB'),
        ('jit', 'off'),
        -- No worker of another process for a look; the second name is the third's before 16.
        ('max_parallel_workers_per_gather', '0'),
        ('force_parallel_mode', 'off'),
        ('debug_parallel_query', 'off'),
        -- Otherwise each statement copies the counters of every table.
        ('stats_fetch_consistency', 'cache'),
        -- Nothing of ours goes into the server's log unless the log's own settings say so.
        ('debug_print_parse', 'off'),
        ('debug_print_rewritten', 'off'),
        ('debug_print_plan', 'off'),
        ('standard_conforming_strings', 'on'),
        ('quote_all_identifiers', 'off'),
        ('idle_session_timeout', '0'),
        ('idle_in_transaction_session_timeout', '10s'),
        ('transaction_timeout', '0'),
        ('default_transaction_read_only', 'on'),
        -- A standby refuses serializable, and a deferrable transaction waits for those of others.
        ('default_transaction_isolation', 'read committed'),
        ('default_transaction_deferrable', 'off')
) AS wanted (name, value)
WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
