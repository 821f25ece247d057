"""pgtop-conn: top for max_connections."""

__version__ = "0.1.0"
