-- Which server this is: optional, read with what changes seldom. The identifier is shared with standbys and copies; the
-- timeline is a primary's own, as a promotion begins a new one. The control file's timeline lags behind a promotion.
SELECT
    c.system_identifier::pg_catalog.text AS system_id,
    CASE
        WHEN NOT pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)
    END AS timeline
FROM pg_catalog.pg_control_system() AS c
