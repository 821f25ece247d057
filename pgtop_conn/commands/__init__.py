"""The commands. Each is a module here, or a folder: command.py (what it is), options.py (its own options), run.py.

None imports another: what several need is in common/.
"""
