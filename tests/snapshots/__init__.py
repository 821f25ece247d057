"""Golden screens: every scene's text and styles, cell by cell, as a file that a reviewer can read.

`python -m tests.snapshots` draws them anew; the differences are for `git diff` and a pair of eyes.
"""
