-- For one transaction, as behind a pooler, where a SET of a session reaches other clients. A setting that this server
-- does not know is skipped. Each is in settings.sql, too.
SELECT pg_catalog.set_config(wanted.name, wanted.value, true)
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
        ('quote_all_identifiers', 'off')
) AS wanted (name, value)
WHERE pg_catalog.current_setting(wanted.name, true) IS NOT NULL
