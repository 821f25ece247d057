-- Every tick: one row for each process that has one. The function, not the view: the view waits for a lock on
-- pg_authid. A column of new data: one line here, one in ActivityRow, in the same place, and one in backend_of() (both
-- in rows.py), and one field of Backend.
SELECT
    a.pid,
    a.datid,
    a.usesysid,
    a.application_name,
    pg_catalog.host(a.client_addr) AS client,
    a.client_port,
    pg_catalog.date_part('epoch', a.backend_start) AS backend_start,
    pg_catalog.date_part('epoch', a.xact_start) AS xact_start,
    pg_catalog.date_part('epoch', a.query_start) AS query_start,
    pg_catalog.date_part('epoch', a.state_change) AS state_change,
    a.state,
    a.wait_event_type,
    a.wait_event,
    a.backend_type,
    a.ssl,
    a.leader_pid,
    a.query_id,
    a.backend_xmin IS NOT NULL AS holds_xmin,
    a.backend_xid IS NOT NULL AS wrote,
    -- The server hides type, state and start together; the type alone is also NULL for a worker about to end.
    a.backend_type IS NULL AND a.query OPERATOR(pg_catalog.=) '<insufficient privilege>' AS hidden,
    a.pid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT w.pid FROM pg_catalog.pg_stat_get_wal_senders() AS w)) AS walsender,
    -- Marks our own row, and carries the instant of the whole reading.
    CASE
        WHEN a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            THEN pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
    END AS taken_at,
    -- Which run of which server this is, in the same reading: a pooler may lead each statement elsewhere.
    CASE
        WHEN a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
            THEN pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())
    END AS server_start,
    -- The text of a query that began since $1, as bytes: text of a foreign encoding would fail the whole reading. Each
    -- further statement that looks at sessions would make the server copy the state of all of them once more.
    CASE
        WHEN a.query_start OPERATOR(pg_catalog.>=) pg_catalog.to_timestamp($1::pg_catalog.float8)
            THEN pg_catalog.textsend(a.query)
    END AS query
FROM pg_catalog.pg_stat_get_activity(NULL) AS a
