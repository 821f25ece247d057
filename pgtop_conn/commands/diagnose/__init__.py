"""diagnose: why the slots are gone, and what to do."""
