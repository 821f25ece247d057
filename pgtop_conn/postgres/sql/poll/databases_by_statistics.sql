-- Where pg_database is not ours to read: its limits are not known then.
SELECT d.datid AS oid, pg_catalog.textsend(d.datname::pg_catalog.text) AS name, '-1'::pg_catalog.int4 AS datconnlimit
FROM pg_catalog.pg_stat_database AS d
WHERE d.datid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND d.datname IS NOT NULL
