"""Keys of the diagnosis."""

from __future__ import annotations

from textual.binding import Binding

from pgtop_conn.tui.keys.dialogs import SCROLLING

#: What the help lists.
KEYS: tuple[Binding, ...] = (
    Binding(
        "enter,right",
        "into",
        "remedies",
        id="diagnosis_into",
        key_display="Enter →",
        tooltip="Into the remedies of this finding: up and down choose one.",
    ),
    Binding(
        "y",
        "copy",
        "copy",
        id="diagnosis_copy",
        key_display="y",
        tooltip="Copy the chosen remedy to the clipboard (OSC 52, over SSH too). Nothing is run.",
    ),
    Binding(
        "s",
        "sessions",
        "its sessions",
        id="diagnosis_sessions",
        key_display="s",
        tooltip="Show the sessions of this finding in the table: sets the filter and closes the diagnosis.",
    ),
    Binding(
        "w",
        "report",
        "write report",
        id="diagnosis_report",
        key_display="w",
        tooltip="Write an incident report to a file, literals of queries masked.",
    ),
    Binding(
        "p",
        "hold",
        "hold",
        id="diagnosis_hold",
        key_display="p",
        tooltip="Hold the diagnosis still, or let it go on with the polls.",
    ),
)

BINDINGS: tuple[Binding, ...] = (
    *SCROLLING,
    *KEYS,
    Binding("left", "back", "back", id="diagnosis_back", tooltip="Back to the findings.", show=False),
    # What the remedies say to press is pressed here first.
    Binding("l", "outside('leaks')", "leaks", id="diagnosis_leaks", tooltip="Leaks only, in the table.", show=False),
    Binding("b", "outside('blockers')", "blockers", id="diagnosis_blockers", tooltip="Who blocks whom.", show=False),
    Binding(
        "escape,q,d",
        "close",
        "close",
        id="dialog_close",
        key_display="Esc",
        tooltip="Back to the findings, or close; nothing is sent.",
    ),
)
