-- Signals one session if it is still the one that was chosen, in the same state, with the same query, and if no guard
-- protects it. No row: nothing was sent. OFFSET 0 keeps the planner from signalling before it has looked.
SELECT s.pid, pg_cancel_backend(s.pid) AS signalled
FROM (
    SELECT a.pid
    FROM pg_stat_get_activity($1::int4) AS a
    LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
    LEFT JOIN pg_roles AS replication ON replication.rolname = 'rds_replication'
    WHERE a.pid <> pg_backend_pid()
        AND a.backend_start = to_timestamp($2::float8)
        AND a.state IS NOT DISTINCT FROM $3::text
        AND a.state_change IS NOT DISTINCT FROM to_timestamp($4::float8)
        AND a.query_start IS NOT DISTINCT FROM to_timestamp($5::float8)
        AND a.backend_type IS NOT DISTINCT FROM $6::text
        AND (a.backend_xid IS NOT NULL) = $7::bool
        AND a.application_name IS DISTINCT FROM 'pgtop-conn'
        AND a.usesysid IS NOT NULL
        AND ($8::bool OR NOT coalesce(r.rolsuper, false))
        AND (
            (
                a.backend_type = 'client backend'
                AND NOT coalesce(r.rolreplication, false)
                AND NOT coalesce(NOT r.rolsuper AND pg_has_role(r.oid, replication.oid, 'MEMBER'), false)
                AND NOT EXISTS (SELECT FROM pg_stat_get_wal_senders() AS w WHERE w.pid = a.pid)
            )
            OR ($9::bool AND a.backend_type IN ('client backend', 'walsender'))
        )
    OFFSET 0
) AS s
