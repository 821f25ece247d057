"""Keys as data, and their remapping."""
