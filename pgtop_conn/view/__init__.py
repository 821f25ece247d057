"""Snapshot and ViewState to text and style names: pure, shared by the screen and the headless commands."""
