"""Themes, and which to start with."""
