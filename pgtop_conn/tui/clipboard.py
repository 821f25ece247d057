"""Copying: by OSC 52 to the terminal's clipboard, and to a file where the terminal may not take it.

OSC 52 is never answered, so whether it worked can only be guessed by the terminal's name. Add a terminal that does
not: one line in may_take().
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from textual.app import App

from pgtop_conn import folders, private_files

FILE_NAME = "copied.txt"
_NOT_BY_NAME = ("linux", "vt", "dumb", "ansi", "cons", "screen", "tmux")


def may_take(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is likely to take what is copied; a multiplexer keeps it unless it is set up to pass it on.

    >>> may_take({"TERM": "xterm-256color"}), may_take({"TERM": "linux"}), may_take({"TERM": "xterm", "TMUX": "/t,1,0"})
    (True, False, False)
    """
    if environ.get("TERM", "").lower().startswith(_NOT_BY_NAME):
        return False
    if environ.get("TMUX") or environ.get("STY"):
        return False
    # GNOME Terminal and its kin, and Terminal.app.
    return not environ.get("VTE_VERSION") and environ.get("TERM_PROGRAM") != "Apple_Terminal"


def copy(app: App[int], text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Copy; what is to be said behind "copied": '' where the clipboard has it, else the file that has it, too."""
    app.copy_to_clipboard(text)
    if may_take(environ):
        return ""
    try:
        return f"; this terminal may not take it: it is in {_write(text)}, too"
    except OSError as error:
        return f"; this terminal may not take it, and no file could be written: {error.strerror}"


def _write(text: str) -> Path:
    """The file, for nobody else to read; a link in its place is not followed."""
    folder = folders.state_folder()
    private_files.make_folder(folder)
    path = folder / FILE_NAME
    private_files.replace(path, text if text.endswith("\n") else f"{text}\n")
    return path
