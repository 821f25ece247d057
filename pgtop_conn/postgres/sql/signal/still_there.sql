-- After a signal statement that found nobody: is it the same server, is the session there at all, in what state, and
-- what is its role called? Always one row.
SELECT
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) AS server_start,
    a.pid IS NOT NULL AS there,
    a.state,
    pg_catalog.date_part('epoch', a.state_change) AS state_change,
    pg_catalog.date_part('epoch', a.query_start) AS query_start,
    a.backend_xid IS NOT NULL AS wrote,
    a.application_name AS app,
    pg_catalog.textsend(r.rolname::pg_catalog.text) AS role
FROM (VALUES (1)) AS one (row)
LEFT JOIN pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
    ON a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($2::pg_catalog.float8)
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
