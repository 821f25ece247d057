"""What libpq accepts: connection strings, services, password files."""
