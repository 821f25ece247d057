-- Signals one session if it is still the one that was chosen, in the same state, with the same query, and if no guard
-- protects it. No row: nothing was sent. OFFSET 0 keeps the planner from signalling before it has looked.
-- The function is the one of a terminate; statements.py puts the one of a cancel in its place.
SELECT s.pid, pg_catalog.pg_terminate_backend(s.pid) AS signalled
FROM (
    SELECT a.pid
    FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
    LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
    LEFT JOIN pg_catalog.pg_roles AS replication ON replication.rolname OPERATOR(pg_catalog.=) 'rds_replication'
    WHERE a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
        AND a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($2::pg_catalog.float8)
        -- IS NOT DISTINCT FROM would look for its operator along search_path, and takes no qualified one.
        AND (a.state OPERATOR(pg_catalog.=) $3::pg_catalog.text OR (a.state IS NULL AND $3::pg_catalog.text IS NULL))
        AND (
            a.state_change OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($4::pg_catalog.float8)
            OR (a.state_change IS NULL AND $4::pg_catalog.float8 IS NULL)
        )
        AND (
            a.query_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($5::pg_catalog.float8)
            OR (a.query_start IS NULL AND $5::pg_catalog.float8 IS NULL)
        )
        AND a.backend_type OPERATOR(pg_catalog.=) $6::pg_catalog.text
        AND (a.backend_xid IS NOT NULL) OPERATOR(pg_catalog.=) $7::pg_catalog.bool
        AND a.application_name OPERATOR(pg_catalog.<>) 'pgtop-conn'
        AND a.usesysid IS NOT NULL
        AND ($8::pg_catalog.bool OR NOT coalesce(r.rolsuper, false))
        AND (
            (
                a.backend_type OPERATOR(pg_catalog.=) 'client backend'
                AND NOT coalesce(r.rolreplication, false)
                AND NOT coalesce(
                    NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, replication.oid, 'MEMBER'), false
                )
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_stat_get_wal_senders() AS w WHERE w.pid OPERATOR(pg_catalog.=) a.pid
                )
            )
            OR (
                $9::pg_catalog.bool
                AND a.backend_type OPERATOR(pg_catalog.=) ANY (ARRAY['client backend', 'walsender'])
            )
        )
    OFFSET 0
) AS s
