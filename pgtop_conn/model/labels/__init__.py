"""Whose sessions these are: labels of the user and of the provider."""
