-- For a diagnosis: pids of the client backends, to look at their memory on the host. Where the server hides
-- the type, a process with a database and a role counts.
SELECT a.pid, pg_catalog.pg_backend_pid() AS own_pid
FROM pg_catalog.pg_stat_get_activity(NULL) AS a
WHERE coalesce(a.backend_type, 'client backend') OPERATOR(pg_catalog.=) 'client backend'
    AND a.datid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
    AND a.usesysid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
