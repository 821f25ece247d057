"""check: one poll as a line of a monitoring plugin."""
