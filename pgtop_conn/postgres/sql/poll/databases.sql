-- Every 30 s and on an unknown oid.
SELECT d.oid, pg_catalog.textsend(d.datname::pg_catalog.text) AS name, d.datconnlimit
FROM pg_catalog.pg_database AS d
