-- Every 30 s and on an unknown oid.
SELECT d.oid, textsend(d.datname::text) AS name, d.datconnlimit
FROM pg_database AS d
