-- Where pg_roles is not ours to read: what the roles of the sessions are called, and no more.
SELECT DISTINCT a.usesysid AS oid, pg_catalog.textsend(pg_catalog.pg_get_userbyid(a.usesysid)::pg_catalog.text) AS name
FROM pg_catalog.pg_stat_get_activity(NULL) AS a
WHERE a.usesysid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
