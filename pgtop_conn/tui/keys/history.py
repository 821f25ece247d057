"""Keys of the history."""

from __future__ import annotations

from textual.binding import Binding

#: What the help lists.
KEYS: tuple[Binding, ...] = (
    Binding("enter", "go", "go there", id="history_go", tooltip="Show the whole screen as it was at this time."),
    Binding("tab", "stack", "by state, app", id="history_stack", tooltip="Stack by state, or by application."),
    Binding("n", "signal(1)", "next signal", id="history_signal", tooltip="To the next signal that was sent."),
    Binding(
        "N", "signal(-1)", "signal before", id="history_signal_before", tooltip="To the signal before.", show=False
    ),
    Binding("m", "peak(1)", "next peak", id="history_peak", tooltip="To the next peak of the slots in use."),
    Binding("M", "peak(-1)", "peak before", id="history_peak_before", tooltip="To the peak before.", show=False),
    Binding("plus,equals_sign", "zoom(-1)", "zoom", id="history_zoom_in", tooltip="A shorter time, with more detail."),
    Binding("minus", "zoom(1)", "wider", id="history_zoom_out", tooltip="A longer time.", show=False),
    Binding("z", "scale", "height", id="history_scale", tooltip="As high as the peak, or as max_connections."),
)

BINDINGS: tuple[Binding, ...] = (
    *KEYS,
    Binding("right", "move(1)", "later", id="history_right", tooltip="The next column.", show=False),
    Binding("left", "move(-1)", "earlier", id="history_left", tooltip="The column before.", show=False),
    Binding("right_square_bracket", "step(1)", "step", id="history_later", tooltip="The next poll.", show=False),
    Binding("left_square_bracket", "step(-1)", "step", id="history_earlier", tooltip="The poll before.", show=False),
    Binding("pagedown", "page(1)", "page", id="history_page_down", tooltip="Further to the right.", show=False),
    Binding("pageup", "page(-1)", "page", id="history_page_up", tooltip="Further to the left.", show=False),
    Binding("home,g", "edge(-1)", "first", id="history_home", tooltip="The beginning.", show=False),
    Binding("end,G", "edge(1)", "last", id="history_end", tooltip="The newest.", show=False),
    Binding("escape,q,h", "close", "close", id="history_close", key_display="Esc", tooltip="Close; nothing is sent."),
)
