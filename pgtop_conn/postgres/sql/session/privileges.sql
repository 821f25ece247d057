-- Which of these relations and functions are not ours to use. One that this server does not have is left out.
SELECT o.object
FROM (
    VALUES
        ('pg_catalog.pg_roles'),
        ('pg_catalog.pg_auth_members'),
        ('pg_catalog.pg_database'),
        ('pg_catalog.pg_settings'),
        ('pg_catalog.pg_db_role_setting'),
        ('pg_catalog.pg_stat_database'),
        ('pg_catalog.pg_locks'),
        ('pg_catalog.pg_stat_get_wal_senders()'),
        ('pg_catalog.pg_stat_get_subscription(oid)'),
        ('pg_catalog.pg_blocking_pids(integer)'),
        ('pg_catalog.pg_stat_get_backend_idset()'),
        ('pg_catalog.pg_stat_get_backend_pid(integer)'),
        ('pg_catalog.pg_is_in_recovery()'),
        ('pg_catalog.pg_postmaster_start_time()'),
        ('pg_catalog.host(inet)'),
        ('pg_catalog.pg_has_role(name,text)'),
        ('pg_catalog.pg_has_role(oid,text)'),
        ('pg_catalog.pg_get_userbyid(oid)'),
        ('pg_catalog.pg_terminate_backend(integer)'),
        ('pg_catalog.pg_terminate_backend(integer,bigint)'),
        ('pg_catalog.pg_cancel_backend(integer)'),
        ('pg_catalog.set_config(text,text,boolean)'),
        ('pg_catalog.pg_stat_get_activity(integer)'),
        ('pg_catalog.pg_backend_pid()'),
        ('pg_catalog.current_setting(text)'),
        ('pg_catalog.current_setting(text,boolean)'),
        ('pg_catalog.current_database()'),
        ('pg_catalog.clock_timestamp()'),
        ('pg_catalog.to_timestamp(double precision)'),
        ('pg_catalog.date_part(text,timestamp with time zone)'),
        ('pg_catalog.textsend(text)'),
        ('pg_catalog.to_regrole(text)'),
        ('pg_catalog.right(text,integer)'),
        ('pg_catalog.strpos(text,text)'),
        ('pg_catalog.unnest(anyarray)')
) AS o (object)
WHERE CASE
    WHEN pg_catalog.strpos(o.object, '(') OPERATOR(pg_catalog.=) 0
        THEN NOT pg_catalog.has_table_privilege(pg_catalog.to_regclass(o.object)::pg_catalog.oid, 'SELECT')
    ELSE NOT pg_catalog.has_function_privilege(
        pg_catalog.to_regprocedure(o.object)::pg_catalog.oid, 'EXECUTE'
    )
END
