-- As roles.sql, where memberships are not ours to read. Names as bytes: another database may use another encoding.
-- Each list is made for itself: the server remembers the memberships of one role at a time.
SELECT
    r.oid,
    pg_catalog.textsend(r.rolname::pg_catalog.text) AS name,
    r.rolsuper,
    r.rolreplication,
    r.rolcanlogin,
    r.rolconnlimit,
    r.oid OPERATOR(pg_catalog.=) ANY (
        SELECT u.oid FROM pg_catalog.pg_roles AS u WHERE pg_catalog.pg_has_role(u.oid, 'USAGE')
    ) AS usable,
    -- Amazon RDS grants replication by membership; a superuser counts as a member of every role, so it is left out.
    r.oid OPERATOR(pg_catalog.=) ANY (
        SELECT u.oid FROM pg_catalog.pg_roles AS u
        JOIN pg_catalog.pg_roles AS replication ON replication.rolname OPERATOR(pg_catalog.=) 'rds_replication'
        WHERE NOT u.rolsuper AND pg_catalog.pg_has_role(u.oid, replication.oid, 'MEMBER')
    ) AS replication_member,
    r.oid OPERATOR(pg_catalog.=) ANY (
        SELECT u.oid FROM pg_catalog.pg_roles AS u
        JOIN pg_catalog.pg_roles AS reserve ON reserve.rolname OPERATOR(pg_catalog.=) 'pg_use_reserved_connections'
        WHERE pg_catalog.pg_has_role(u.oid, reserve.oid, 'USAGE')
    ) AS uses_reserved
FROM pg_catalog.pg_roles AS r
