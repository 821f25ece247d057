"""Faults under a live monitor: it must stay, come back, keep its view, and never hold two connections.

Add a fault: an async function and one line in KINDS of kinds.py.
"""
