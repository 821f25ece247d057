-- Every 30 s and on an unknown oid. Names as bytes: another database may use another encoding.
-- Memberships are followed here, each once: pg_has_role() for each role costs the square of them, since the server
-- remembers the memberships of one role at a time (about 3 s at 2,000).
WITH RECURSIVE membership (role, member, inherits) AS (
    SELECT m.roleid, m.member, m.inherit_option FROM pg_catalog.pg_auth_members AS m
    UNION ALL
    -- The owner of the database is a member of this role without a row that says so (14+).
    SELECT o.oid, d.datdba, true
    FROM pg_catalog.pg_database AS d
    JOIN pg_catalog.pg_roles AS o ON o.rolname OPERATOR(pg_catalog.=) 'pg_database_owner'
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
),
mine (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) current_user
    UNION
    SELECT m.role FROM mine JOIN membership AS m ON m.member OPERATOR(pg_catalog.=) mine.oid AND m.inherits
),
reserved (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles AS r
    WHERE r.rolname OPERATOR(pg_catalog.=) 'pg_use_reserved_connections'
    UNION
    SELECT m.member FROM reserved JOIN membership AS m ON m.role OPERATOR(pg_catalog.=) reserved.oid AND m.inherits
),
replicating (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) 'rds_replication'
    UNION
    SELECT m.member FROM replicating JOIN membership AS m ON m.role OPERATOR(pg_catalog.=) replicating.oid
)
SELECT
    r.oid,
    pg_catalog.textsend(r.rolname::pg_catalog.text) AS name,
    r.rolsuper,
    r.rolreplication,
    r.rolcanlogin,
    r.rolconnlimit,
    pg_catalog.current_setting('is_superuser')::pg_catalog.bool
        OR r.oid OPERATOR(pg_catalog.=) ANY (SELECT mine.oid FROM mine) AS usable,
    -- Amazon RDS grants replication by membership; a superuser counts as a member of every role, so it is left out.
    NOT r.rolsuper
        AND r.oid OPERATOR(pg_catalog.=) ANY (SELECT replicating.oid FROM replicating) AS replication_member,
    CASE
        WHEN r.rolsuper THEN EXISTS (SELECT FROM reserved)
        ELSE r.oid OPERATOR(pg_catalog.=) ANY (SELECT reserved.oid FROM reserved)
    END AS uses_reserved
FROM pg_catalog.pg_roles AS r
