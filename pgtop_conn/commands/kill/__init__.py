"""kill: end the sessions that match a filter."""
