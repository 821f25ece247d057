-- For a diagnosis: $3 bytes from $2 on of the log file named $1; NULL when it is gone. Needs EXECUTE on this function of
-- four arguments, which no predefined role has, and pg_monitor for log_directory.
SELECT
    pg_catalog.pg_read_binary_file(
        pg_catalog.current_setting('log_directory') OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) $1::pg_catalog.text,
        $2::pg_catalog.int8,
        $3::pg_catalog.int8,
        true
    ) AS bytes
