"""Measurements of the program beside its peers, and of what it does under faults; README.md says how to run them."""
