"""Signals: guards, plans, and what became of each session."""
