-- What a managed service leaves to be recognised by; read once per connection.
SELECT
    ARRAY(
        -- Settings of loaded modules, by their prefix.
        SELECT pg_catalog.split_part(s.name, '.', 1) OPERATOR(pg_catalog.||) '.' FROM pg_catalog.pg_settings AS s
        WHERE pg_catalog.strpos(s.name, '.') OPERATOR(pg_catalog.>) 0
        UNION
        -- The list leaves out those of no loaded module, so known names are asked for one by one.
        SELECT n FROM pg_catalog.unnest($1::pg_catalog.text[]) AS n
        WHERE pg_catalog.current_setting(n, true) IS NOT NULL
    ) AS settings,
    ARRAY(
        SELECT p.proname::pg_catalog.text FROM pg_catalog.pg_proc AS p
        -- As names they are found by the index.
        WHERE p.proname OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[]::pg_catalog.name[])
    ) AS functions,
    ARRAY(
        SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace AS n
        WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.text[])
    ) AS schemas
