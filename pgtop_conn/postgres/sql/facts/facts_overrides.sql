-- For a diagnosis: ALTER ROLE and ALTER DATABASE … SET of the settings named in $1 alone: others may hold secrets.
SELECT
    pg_catalog.textsend(coalesce(r.rolname::pg_catalog.text, '')) AS role,
    pg_catalog.textsend(coalesce(d.datname::pg_catalog.text, '')) AS database,
    pg_catalog.textsend(entry) AS entry
FROM pg_catalog.pg_db_role_setting AS s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS entry
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.setrole
LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.setdatabase
WHERE pg_catalog.split_part(entry, '=', 1) OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
    -- One whose role or database is just being dropped holds for nobody, and must not look as if for all.
    AND (s.setrole OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR r.oid IS NOT NULL)
    AND (s.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR d.oid IS NOT NULL)
