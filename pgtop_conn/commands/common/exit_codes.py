"""The exit codes that commands share. `check` has the monitoring plugins' own: view.export.check.Status."""

from __future__ import annotations

DONE = 0
#: Something was done, and something could not be.
NOT_ALL = 1
#: Bad input, refused, or no connection: nothing was done.
REFUSED = 2
#: As a shell counts a program that Ctrl-C ended.
INTERRUPTED = 130
