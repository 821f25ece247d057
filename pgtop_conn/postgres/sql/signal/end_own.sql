-- Ends an earlier session of our own that gave no answer, if it is still the same one.
SELECT pg_catalog.pg_terminate_backend(a.pid) AS signalled
FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
WHERE a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
    AND a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($2::pg_catalog.float8)
    -- The name itself, and the same with the host that a pooler appends; see model/application_name.py.
    AND (
        a.application_name OPERATOR(pg_catalog.=) 'pgtop-conn'
        OR pg_catalog.starts_with(a.application_name, 'pgtop-conn - ')
    )
