"""snapshot: one poll, or a stream of polls, as a table, JSON or CSV."""
