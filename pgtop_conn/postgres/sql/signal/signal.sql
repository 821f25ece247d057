-- Signals one session if it is still the one that was chosen, in the same state, with the same query, if its role still
-- has one of the names in $8, and if no guard protects it. With $13 it is bound to its role and to its application, $14,
-- instead of what it runs. No row: nothing was sent. What is selected is computed for rows that have passed WHERE, and
-- only for them.
-- The function is the one of a terminate; statements.py puts the one of a cancel in its place.
SELECT pg_catalog.pg_terminate_backend(a.pid) AS signalled
FROM pg_catalog.pg_stat_get_activity($1::pg_catalog.int4) AS a
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) a.usesysid
LEFT JOIN pg_catalog.pg_roles AS replication ON replication.rolname OPERATOR(pg_catalog.=) 'rds_replication'
WHERE a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
    AND a.backend_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($2::pg_catalog.float8)
    AND (
        (
            $13::pg_catalog.bool
            AND pg_catalog.encode(pg_catalog.textsend(a.application_name), 'hex')
            OPERATOR(pg_catalog.=) ANY ($14::pg_catalog.text[])
        )
        OR (
            NOT $13::pg_catalog.bool
            -- IS NOT DISTINCT FROM would look for its operator along search_path, and takes no qualified one.
            AND (
                a.state OPERATOR(pg_catalog.=) $3::pg_catalog.text
                OR (a.state IS NULL AND $3::pg_catalog.text IS NULL)
            )
            AND (
                a.state_change OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($4::pg_catalog.float8)
                OR (a.state_change IS NULL AND $4::pg_catalog.float8 IS NULL)
            )
            AND (
                a.query_start OPERATOR(pg_catalog.=) pg_catalog.to_timestamp($5::pg_catalog.float8)
                OR (a.query_start IS NULL AND $5::pg_catalog.float8 IS NULL)
            )
        )
    )
    AND a.backend_type OPERATOR(pg_catalog.=) $6::pg_catalog.text
    -- What it writes by then was asked about, or it writes nothing; bound to its statement, it is as it was.
    AND (
        (a.backend_xid IS NOT NULL) OPERATOR(pg_catalog.=) $7::pg_catalog.bool
        OR ($13::pg_catalog.bool AND a.backend_xid IS NULL)
    )
    -- The name itself, and the same with the host that a pooler appends; see model/application_name.py.
    AND (
        $12::pg_catalog.bool
        OR NOT (
            a.application_name OPERATOR(pg_catalog.=) 'pgtop-conn'
            OR pg_catalog.starts_with(a.application_name, 'pgtop-conn - ')
        )
    )
    -- A role that is not there is nobody whose rights could be judged: only what was asked about by that.
    AND (
        pg_catalog.encode(pg_catalog.textsend(r.rolname::pg_catalog.text), 'hex')
        OPERATOR(pg_catalog.=) ANY ($8::pg_catalog.text[])
        OR (r.oid IS NULL AND a.usesysid IS NOT NULL AND $11::pg_catalog.bool)
    )
    AND ($9::pg_catalog.bool OR NOT coalesce(r.rolsuper, false))
    AND (
        (
            a.backend_type OPERATOR(pg_catalog.=) 'client backend'
            AND NOT coalesce(r.rolreplication, false)
            AND NOT coalesce(NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, replication.oid, 'MEMBER'), false)
        )
        OR (
            $10::pg_catalog.bool
            AND a.backend_type OPERATOR(pg_catalog.=) ANY (ARRAY['client backend', 'walsender'])
        )
    )
