"""The headless commands: each a short function from a Source to text and an exit code."""
