"""The only room that talks to a server (and the only importer of asyncpg)."""
