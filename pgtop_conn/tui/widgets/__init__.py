"""Widgets that the screen and the dialogs are made of."""
