"""Keys that move in the time of a recording, beside those of the monitor that ask no server."""

from __future__ import annotations

from textual.binding import Binding

TIME = Binding.Group("Time of the recording")

KEYS: tuple[Binding, ...] = (
    Binding(
        "p",
        "pause",
        "play, hold",
        id="pause",
        group=TIME,
        tooltip="Play, or hold still. At the end: from the beginning.",
    ),
    Binding(
        "t",
        "jump",
        "go to time",
        id="replay_jump",
        group=TIME,
        tooltip="Go to a time. Such as 14:03, 2026-11-21 14:03:22, +5m, -30s, or 50%.",
    ),
    Binding(
        "n",
        "signal(1)",
        "next signal",
        id="replay_signal",
        group=TIME,
        tooltip="To the next signal that was sent.",
    ),
    Binding(
        "N",
        "signal(-1)",
        "signal before",
        id="replay_signal_before",
        group=TIME,
        tooltip="To the signal before.",
        show=False,
    ),
    Binding(
        "m",
        "peak(1)",
        "next peak",
        id="replay_peak",
        group=TIME,
        tooltip="To the next peak of the slots in use.",
    ),
    Binding(
        "M",
        "peak(-1)",
        "peak before",
        id="replay_peak_before",
        group=TIME,
        tooltip="To the peak before.",
        show=False,
    ),
    Binding(
        "left_square_bracket",
        "step(-1)",
        "earlier",
        id="earlier",
        group=TIME,
        tooltip="The poll before, held still.",
        show=False,
    ),
    Binding(
        "right_square_bracket",
        "step(1)",
        "later",
        id="later",
        group=TIME,
        tooltip="The next poll, held still.",
        show=False,
    ),
    Binding(
        "end",
        "live",
        "end",
        id="live",
        group=TIME,
        tooltip="To the end of the recording.",
        show=False,
    ),
    Binding(
        "plus,equals_sign",
        "interval(1)",
        "faster",
        id="replay_faster",
        group=TIME,
        tooltip="Play faster.",
        show=False,
    ),
    Binding(
        "minus",
        "interval(-1)",
        "slower",
        id="replay_slower",
        group=TIME,
        tooltip="Play slower.",
        show=False,
    ),
)
OWN = frozenset(binding.id for binding in KEYS)
#: What would ask the server.
LEFT_OUT = frozenset({"slower", "faster", "refresh", "record"})
#: Of the monitor's own keys, those that the key line shows here.
SHOWN = frozenset({"filter", "next_grouping", "diagnose", "help", "quit"})
#: What the monitor has no key for, and the keys that do it.
MOVING_ACTIONS = frozenset({"jump", "signal", "peak"})
MOVING: tuple[Binding, ...] = tuple(one for one in KEYS if one.action.partition("(")[0] in MOVING_ACTIONS)
