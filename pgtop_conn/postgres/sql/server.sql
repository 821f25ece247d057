-- What changes seldom: read at connect and every 30 s.
SELECT
    current_setting('server_version_num')::int4 AS version_num,
    current_setting('server_version') AS version,
    pg_is_in_recovery() AS in_recovery,
    textsend(current_database()::text) AS database,
    textsend(me.rolname::text) AS role,
    me.rolsuper AS superuser,
    me.rolsuper OR pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    me.rolsuper OR pg_has_role('pg_signal_backend', 'USAGE') AS can_signal,
    EXISTS (
        SELECT FROM pg_roles AS r
        WHERE r.rolname = 'pg_use_reserved_connections' AND pg_has_role(r.oid, 'USAGE')
    ) AS uses_reserved,
    current_setting('max_connections')::int4 AS max_connections,
    current_setting('superuser_reserved_connections')::int4 AS superuser_reserved,
    coalesce(current_setting('reserved_connections', true)::int4, 0) AS reserved,
    -- What a provider keeps for itself. The names are also asked for one by one: a setting may be left out of the list.
    ARRAY(
        SELECT s.name || '=' || s.setting FROM pg_settings AS s
        WHERE s.name LIKE '%reserved\_connections'
            AND s.name NOT IN ('superuser_reserved_connections', 'reserved_connections')
        UNION
        SELECT n || '=' || current_setting(n, true)
        FROM unnest(ARRAY['rds.rds_reserved_connections', 'rds.rds_superuser_reserved_connections']) AS n
        WHERE current_setting(n, true) <> ''
    ) AS provider_reserved,
    current_setting('max_wal_senders')::int4 AS max_wal_senders,
    date_part('epoch', pg_postmaster_start_time()) AS started_at
FROM pg_roles AS me
WHERE me.rolname = current_user
