-- Every 30 s and on an unknown oid. Names as bytes: another database may use another encoding.
SELECT
    r.oid,
    pg_catalog.textsend(r.rolname::pg_catalog.text) AS name,
    r.rolsuper,
    r.rolreplication,
    r.rolcanlogin,
    r.rolconnlimit,
    pg_catalog.pg_has_role(r.oid, 'USAGE') AS usable,
    -- Amazon RDS grants replication by membership; a superuser counts as a member of every role, so it is left out.
    coalesce(
        NOT r.rolsuper AND pg_catalog.pg_has_role(r.oid, replication.oid, 'MEMBER'), false
    ) AS replication_member,
    coalesce(pg_catalog.pg_has_role(r.oid, reserve.oid, 'USAGE'), false) AS uses_reserved
FROM pg_catalog.pg_roles AS r
LEFT JOIN pg_catalog.pg_roles AS replication ON replication.rolname OPERATOR(pg_catalog.=) 'rds_replication'
LEFT JOIN pg_catalog.pg_roles AS reserve ON reserve.rolname OPERATOR(pg_catalog.=) 'pg_use_reserved_connections'
