"""Moments to bytes and back."""
