-- For a diagnosis: settings ($1) that our own role or database overrides, as the server has them for everybody else:
-- from its files, which only a superuser may ask for, otherwise what is built in. In force for this statement alone.
SELECT
    s.name,
    pg_catalog.textsend(s.setting) AS value,
    coalesce(s.unit, '') AS unit,
    pg_catalog.textsend(pg_catalog.current_setting(s.name)) AS shown,
    s.context,
    CASE WHEN f.name IS NULL THEN 'default' ELSE 'configuration file' END AS source,
    s.pending_restart
FROM pg_catalog.pg_settings AS s
LEFT JOIN pg_catalog.pg_file_settings AS f ON f.name OPERATOR(pg_catalog.=) s.name AND f.applied
-- A condition without columns of the tables is decided before they are read.
WHERE (
        SELECT pg_catalog.count(pg_catalog.set_config(o.name, coalesce(c.setting, o.boot_val), true))
        FROM pg_catalog.pg_settings AS o
        LEFT JOIN pg_catalog.pg_file_settings AS c ON c.name OPERATOR(pg_catalog.=) o.name AND c.applied
        WHERE o.name OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
    ) OPERATOR(pg_catalog.>) 0
    AND s.name OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])
