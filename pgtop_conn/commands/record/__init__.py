"""record: every poll into a file."""
