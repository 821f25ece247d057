"""Remedies: what to do about a finding, as text to copy."""
