"""Measures any terminal program from outside: in a pseudo-terminal, through /proc and on an emulated screen. Linux."""
