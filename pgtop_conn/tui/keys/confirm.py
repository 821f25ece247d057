"""Keys of the question before a signal."""

from __future__ import annotations

from textual.binding import Binding

from pgtop_conn.tui.keys.dialogs import SCROLLING

#: What the help lists.
KEYS: tuple[Binding, ...] = (
    # Means nothing anywhere else, and no text that is pasted holds it.
    Binding(
        "ctrl+y",
        "yes",
        "yes",
        id="confirm_yes",
        key_display="Ctrl-Y",
        tooltip="Send the signals. Only once the dialog was shown and no key was pressed for 0.4 s.",
    ),
    Binding("n,escape", "no", "no", id="confirm_no", key_display="n Esc", tooltip="Leave everything as it is."),
    # Before the line for the answer takes them as text.
    Binding(
        "plus,equals_sign",
        "keep(1)",
        "keep",
        id="confirm_keep",
        key_display="+",
        priority=True,
        tooltip="Of a group, or of what a filter shows: leave one more alone, the newest first.",
    ),
    Binding("minus", "keep(-1)", "keep less", id="confirm_less", key_display="-", priority=True, tooltip="One less."),
    Binding(
        "e",
        "escalate",
        "escalate",
        id="confirm_escalate",
        key_display="e",
        priority=True,
        tooltip="After a cancel, terminate what still holds its slot some seconds later; again: only cancel.",
    ),
    Binding(
        "B",
        "busy",
        "busy",
        id="confirm_busy",
        key_display="B",
        priority=True,
        tooltip="Take sessions in use whatever they run by then, if role and application are the same; again: do not.",
    ),
    Binding(
        "r",
        "reason",
        "reason",
        id="confirm_reason",
        key_display="r",
        priority=True,
        tooltip="Write down why: it goes to the journal with every session. Tab where a role's name is typed.",
    ),
)

BINDINGS: tuple[Binding, ...] = (
    *(binding for binding in SCROLLING if binding.id not in ("dialog_top", "dialog_end", "dialog_page_down")),
    Binding("pagedown", "page(1)", "page down", id="confirm_page_down", tooltip="One page down.", show=False),
    *KEYS,
    Binding("left,right,tab,shift+tab", "other", "other", id="confirm_other", tooltip="To the other button."),
)
