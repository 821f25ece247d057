"""Remedies and sizing: what they say, what they compute, and that every statement runs on real servers."""
