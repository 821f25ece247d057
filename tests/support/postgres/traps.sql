-- Run by the owner of a database, an ordinary role: doubles of everything that the program's statements may name.
-- Each says so in the server's log when it is used. The setting traps.used holds the text of all statements.
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE FUNCTION evil.spring(what text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    RAISE LOG 'a trap was %: %', 'sprung', what;
    RETURN true;
END $$;
DO $$
DECLARE
    f record;
    body text := ' LANGUAGE plpgsql AS $body$BEGIN PERFORM evil.spring(%L); RETURN NULL; END$body$';
BEGIN
    -- Functions: every overload whose arguments an ordinary function may have.
    FOR f IN
        SELECT p.proname, oidvectortypes(p.proargtypes) AS arguments,
            -- Columns instead of OUT parameters, which may be called like a parameter that goes in.
            coalesce(
                (
                    SELECT 'TABLE (' || string_agg(format('%I %s', c.name, format_type(c.type, NULL)), ', ') || ')'
                    FROM unnest(p.proallargtypes, p.proargmodes, p.proargnames) AS c (type, mode, name)
                    WHERE c.mode = 'o'
                ),
                pg_get_function_result(p.oid)
            ) AS result
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
            AND current_setting('traps.used') LIKE '%' || p.proname || '(%'
            AND NOT EXISTS (
                SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype) AS u
                WHERE u IN ('internal'::regtype, 'cstring'::regtype, '"any"'::regtype)
            )
    LOOP
        EXECUTE format(
            'CREATE FUNCTION evil.%I(%s) RETURNS %s'
            || CASE WHEN f.result ~ '^(TABLE|SETOF)' THEN replace(body, 'RETURN NULL', 'RETURN') ELSE body END,
            f.proname, f.arguments, f.result, f.proname
        );
    END LOOP;
    -- Operators: every overload of those names between ordinary types.
    FOR f IN
        SELECT o.oid, o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result,
            'op' || o.oid AS name
        FROM pg_operator AS o
        WHERE o.oprname = ANY (ARRAY['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '~~', '!~~'])
            AND o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0 AND o.oprcode <> 0
            AND NOT EXISTS (
                SELECT FROM unnest(ARRAY[o.oprleft, o.oprright, o.oprresult]) AS u
                WHERE u IN ('internal'::regtype, 'cstring'::regtype, '"any"'::regtype)
            )
    LOOP
        EXECUTE format(
            'CREATE FUNCTION evil.%I(%s, %s) RETURNS %s' || body, f.name, f.l, f.r, f.result, f.oprname
        );
        EXECUTE format(
            'CREATE OPERATOR evil.%s (FUNCTION = evil.%I, LEFTARG = %s, RIGHTARG = %s)', f.oprname, f.name, f.l, f.r
        );
    END LOOP;
    -- Relations.
    FOR f IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
            AND current_setting('traps.used') ~ ('\m' || c.relname || '\M')
    LOOP
        EXECUTE format(
            'CREATE VIEW evil.%I AS SELECT * FROM pg_catalog.%I WHERE evil.spring(%L)', f.relname, f.relname, f.relname
        );
    END LOOP;
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
-- Types.
CREATE DOMAIN evil.bool AS pg_catalog.bool CHECK (evil.spring('type bool'));
CREATE DOMAIN evil.bytea AS pg_catalog.bytea CHECK (evil.spring('type bytea'));
CREATE DOMAIN evil.float8 AS pg_catalog.float8 CHECK (evil.spring('type float8'));
CREATE DOMAIN evil.int4 AS pg_catalog.int4 CHECK (evil.spring('type int4'));
CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (evil.spring('type int8'));
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.spring('type text'));
