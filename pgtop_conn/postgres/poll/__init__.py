"""One poll: the statements' rows become a Snapshot."""
