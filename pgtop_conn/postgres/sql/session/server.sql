-- What changes seldom: read at connect and every 30 s.
SELECT
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version_num,
    pg_catalog.current_setting('server_version') AS version,
    pg_catalog.pg_is_in_recovery() AS in_recovery,
    pg_catalog.textsend(pg_catalog.current_database()::pg_catalog.text) AS database,
    pg_catalog.textsend(current_user::pg_catalog.text) AS role,
    me.superuser,
    me.superuser OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    me.superuser OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE') AS can_signal,
    coalesce(
        pg_catalog.pg_has_role(pg_catalog.to_regrole('pg_use_reserved_connections')::pg_catalog.oid, 'USAGE'), false
    ) AS uses_reserved,
    pg_catalog.current_setting('max_connections')::pg_catalog.int4 AS max_connections,
    pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 AS superuser_reserved,
    coalesce(pg_catalog.current_setting('reserved_connections', true)::pg_catalog.int4, 0) AS reserved,
    -- What a provider keeps for itself. The names are also asked for one by one: a setting may be left out of the list.
    ARRAY(
        SELECT s.name OPERATOR(pg_catalog.||) '=' OPERATOR(pg_catalog.||) s.setting FROM pg_catalog.pg_settings AS s
        WHERE pg_catalog.right(s.name, 20) OPERATOR(pg_catalog.=) 'reserved_connections'
            AND s.name OPERATOR(pg_catalog.<>) ALL (ARRAY['superuser_reserved_connections', 'reserved_connections'])
        UNION
        SELECT n OPERATOR(pg_catalog.||) '=' OPERATOR(pg_catalog.||) pg_catalog.current_setting(n, true)
        FROM (VALUES ('rds.rds_reserved_connections'), ('rds.rds_superuser_reserved_connections')) AS known (n)
        WHERE pg_catalog.current_setting(n, true) OPERATOR(pg_catalog.<>) ''
    ) AS provider_reserved,
    pg_catalog.current_setting('max_wal_senders')::pg_catalog.int4 AS max_wal_senders,
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) AS started_at
-- Not from pg_roles, which may not be ours to read.
FROM (SELECT pg_catalog.current_setting('is_superuser')::pg_catalog.bool AS superuser) AS me
