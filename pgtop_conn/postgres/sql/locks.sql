-- Who holds a lock of any kind, advisory ones of an idle session included. The instant is that of the beginning.
SELECT
    pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) AS at,
    ARRAY(
        SELECT DISTINCT l.pid FROM pg_catalog.pg_locks AS l
        WHERE l.granted AND l.pid IS NOT NULL AND l.locktype OPERATOR(pg_catalog.<>) 'virtualxid'
    )::pg_catalog.text[] AS holders
