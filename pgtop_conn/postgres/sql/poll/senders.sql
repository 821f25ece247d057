-- Before we stay in the walsender door: senders in use, ours among them, and how many there may be.
SELECT
    (SELECT pg_catalog.count(w.pid) FROM pg_catalog.pg_stat_get_wal_senders() AS w)::pg_catalog.int4 AS used,
    pg_catalog.current_setting('max_wal_senders')::pg_catalog.int4 AS most
