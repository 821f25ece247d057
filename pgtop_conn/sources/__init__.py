"""Sources around a Source."""
