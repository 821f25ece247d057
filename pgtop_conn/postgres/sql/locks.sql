-- Who holds a lock of any kind, advisory ones of an idle session included. The instant is that of the beginning.
SELECT
    date_part('epoch', statement_timestamp()) AS at,
    ARRAY(
        SELECT DISTINCT l.pid FROM pg_locks AS l
        WHERE l.granted AND l.pid IS NOT NULL AND l.locktype <> 'virtualxid'
    ) AS holders
