"""Keys that work everywhere."""

from __future__ import annotations

from textual.binding import Binding

APPLICATION: tuple[Binding, ...] = (
    Binding(
        "ctrl+c,ctrl+q",
        "quit",
        "quit",
        id="quit_everywhere",
        tooltip="Leave from everywhere.",
        show=False,
        priority=True,
    ),
    # After another program has written over the screen.
    Binding(
        "ctrl+l",
        "repaint",
        "repaint",
        id="repaint",
        tooltip="Paint the whole screen again.",
        show=False,
        priority=True,
    ),
    Binding(
        "ctrl+z",
        "suspend_process",
        "stop",
        id="suspend",
        tooltip="Stop, back to the shell; fg goes on. What is being sent stops, too.",
        show=False,
        priority=True,
    ),
    # Whatever dialog is open: what is being sent stops first.
    Binding(
        "escape",
        "stop_signals",
        "stop",
        id="stop_signals",
        tooltip="Send no further signal.",
        show=False,
        priority=True,
    ),
)
