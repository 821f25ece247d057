"""The lines above and below the table."""
