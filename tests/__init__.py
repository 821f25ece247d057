"""Tests of pgtop-conn; shared pieces are in factories.py and strategies.py."""
