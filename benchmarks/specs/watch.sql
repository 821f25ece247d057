SELECT pid, datname AS db, usename AS usr, left(application_name, 12) AS app, state, wait_event AS wait,
       to_char(now() - xact_start, 'HH24:MI:SS') AS xact, to_char(now() - query_start, 'HH24:MI:SS') AS query,
       left(replace(query, E'\n', ' '), 27) AS sql
FROM (SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend'
      ORDER BY xact_start NULLS LAST, query_start LIMIT 34) AS screenful
\watch 2
