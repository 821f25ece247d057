"""Keys of the dialogs, and of the filter line. Add a dialog's keys: a tuple here, and its name in remapping.SCOPES."""

from __future__ import annotations

from textual.binding import Binding

SCROLLING: tuple[Binding, ...] = (
    Binding("down,j", "move(1)", "down", id="dialog_down", tooltip="One line down.", show=False),
    Binding("up,k", "move(-1)", "up", id="dialog_up", tooltip="One line up.", show=False),
    Binding("pagedown,space", "page(1)", "page down", id="dialog_page_down", tooltip="One page down.", show=False),
    Binding("pageup", "page(-1)", "page up", id="dialog_page_up", tooltip="One page up.", show=False),
    Binding("home,g", "page(-9999)", "top", id="dialog_top", tooltip="To the top.", show=False),
    Binding("end,G", "page(9999)", "end", id="dialog_end", tooltip="To the end.", show=False),
)


def closing(*keys: str) -> Binding:
    """The binding that leaves a dialog without doing anything."""
    return Binding(",".join(keys), "close", "close", id="dialog_close", tooltip="Close; nothing is sent.", show=False)


#: Before the line for the number takes them as text.
_MOVING = tuple(
    Binding(one.key, one.action, one.description, id=one.id, tooltip=one.tooltip, show=False, priority=True)
    for one in SCROLLING
    if one.id in ("dialog_down", "dialog_up")
)

#: What the column chooser says of itself.
SWITCHING: tuple[Binding, ...] = (
    Binding("space", "switch", "switch", id="column_switch", tooltip="Switch a column on or off.", show=False),
    Binding("a", "all", "all", id="column_all", tooltip="Switch all columns on.", show=False),
    Binding("enter", "apply", "apply", id="column_apply", tooltip="Apply and save; nothing is sent.", show=False),
)

BLOCKERS: tuple[Binding, ...] = (
    *SCROLLING,
    closing("escape", "b", "q"),
    Binding("enter,right", "go", "go", id="blockers_go", tooltip="Go to this session in the table."),
)

COUNTING: tuple[Binding, ...] = (
    *SCROLLING,
    closing("escape", "enter", "q", "i"),
)

SESSION: tuple[Binding, ...] = (
    *SCROLLING,
    closing("escape", "enter", "left", "q"),
    Binding("c", "cancel", "cancel", id="detail_cancel", tooltip="Cancel its query; asks first."),
    Binding("x", "terminate", "terminate", id="detail_terminate", tooltip="End it; asks first."),
    Binding("y", "copy_query", "copy query", id="detail_copy_query", tooltip="Copy the query."),
    Binding("Y", "copy_signal", "copy SQL", id="detail_copy_signal", tooltip="Copy the statement that ends it."),
)

COLUMNS: tuple[Binding, ...] = (
    # Space switches here, so it does not scroll.
    *(binding for binding in SCROLLING if "space" not in binding.key),
    Binding("pagedown", "page(1)", "page down", id="dialog_page_down", tooltip="One page down.", show=False),
    *SWITCHING,
    closing("escape", "q", "C"),
)

HELP: tuple[Binding, ...] = (
    *SCROLLING,
    closing("escape", "q"),
    Binding("question_mark,f1,enter", "words", "more", id="help_words", tooltip="All the words, or the short list."),
)

GO_TO_TIME: tuple[Binding, ...] = (Binding("escape", "leave", "leave", id="jump_leave", tooltip="Stay where you are."),)

FREE_SLOTS: tuple[Binding, ...] = (
    *_MOVING,
    Binding("pagedown", "page(1)", "page down", id="free_page_down", tooltip="One page down.", show=False),
    Binding("pageup", "page(-1)", "page up", id="free_page_up", tooltip="One page up.", show=False),
    Binding(
        "space,x",
        "strike",
        "strike out",
        id="free_strike",
        key_display="Space x",
        priority=True,
        tooltip="Leave this one alone, the next best takes its place; again: take it back.",
    ),
    Binding("escape", "leave", "leave", id="free_leave", tooltip="Leave; nothing is sent."),
)

FILTER_BAR: tuple[Binding, ...] = (
    Binding("escape", "leave", "leave", id="filter_leave", tooltip="Leave the filter as it was.", show=False),
)
