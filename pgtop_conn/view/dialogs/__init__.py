"""The lines of each dialog."""
