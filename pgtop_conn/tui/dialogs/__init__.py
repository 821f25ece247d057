"""Dialogs over the monitor's screen."""
