"""The embedded PostgreSQL and the applications that leak in it, to try everything on."""
