-- In a database that is not UTF8: bytes as they are stored, instead of a conversion that fails or garbles them.
SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)
