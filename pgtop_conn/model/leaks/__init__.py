"""Leaks: which sessions are lost, and how it is proved."""
