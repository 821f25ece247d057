"""Every key of the monitor. Add a key: a Binding here, an action_ line in monitor_screen.py, a method of a controller.

The tooltip says what the key does to the server: its first clause is the short help, the whole the long one; `group` is
its heading there. The F keys are those of htop.
"""

from __future__ import annotations

from textual.binding import Binding

from pgtop_conn.view.status.key_line import SIGNAL_IDS

SIGNALS = Binding.Group("Free slots (asks before it sends)")
LOOK = Binding.Group("Look (sends no signal)")
MOVE = Binding.Group("Move (nothing is sent)")
POLL = Binding.Group("Poll")
PROGRAM = Binding.Group("Program")

#: Filters of the configuration are on the number keys.
PRESETS = "123456789"

BINDINGS: list[Binding] = [
    Binding(
        "c",
        "cancel",
        "cancel",
        id="cancel",
        group=SIGNALS,
        tooltip="Cancel the running query. Of the marks, the group or the session: asks first, then "
        "pg_cancel_backend. The session and its slot stay.",
    ),
    Binding(
        "x,f9",
        "terminate",
        "terminate",
        id="terminate",
        group=SIGNALS,
        tooltip="End sessions, free slots. The marks, the group or the session: asks first, then "
        "pg_terminate_backend for each, its identity checked by the server in the same statement. What it "
        "has not committed is rolled back.",
    ),
    Binding(
        "f",
        "free",
        "free slots",
        id="free",
        group=SIGNALS,
        tooltip="Free a number of slots. Picks the least harmful sessions, says why each, and asks before it ends "
        "them. None that is in use, holds a lock, has written or is guarded.",
    ),
    Binding(
        "space",
        "mark",
        "mark",
        id="mark",
        group=SIGNALS,
        tooltip="Mark session or group. As it is now; what changes is left alone later. Nothing is sent.",
    ),
    Binding(
        "A",
        "mark_filtered",
        "mark all",
        id="mark_filtered",
        show=False,
        group=SIGNALS,
        tooltip="Mark all that is filtered. As it is now; without a filter none. Nothing is sent.",
    ),
    Binding(
        "u",
        "unmark",
        "unmark",
        id="unmark",
        show=False,
        group=SIGNALS,
        tooltip="Clear all marks. Nothing is sent.",
    ),
    Binding(
        "L",
        "copy_limit",
        "copy limit",
        id="copy_limit",
        show=False,
        group=SIGNALS,
        tooltip="Copy a CONNECTION LIMIT. When ended sessions came back: ALTER ROLE … for their role. Nothing is sent.",
    ),
    Binding(
        "slash,f3,f4",
        "filter",
        "filter",
        id="filter",
        # Handled at once, before the keys typed behind it are looked at: those belong to the filter line.
        priority=True,
        group=LOOK,
        tooltip="Filter the sessions: state:idle idle>10m app:billing* !db:postgres. Enter applies, Esc leaves.",
    ),
    Binding(
        "escape",
        "clear_filter",
        "clear filter",
        id="clear_filter",
        show=False,
        group=LOOK,
        tooltip="Clear filter; stop sending. While a plan is being sent: send no further signal; else clear the "
        "filter and leaks only.",
    ),
    *(
        Binding(
            number,
            f"preset({number!r})",
            f"preset {number}",
            id=f"preset_{number}",
            show=False,
            group=LOOK,
            tooltip=f"Filter {number} of your own. From [presets] of the configuration; again: no filter.",
        )
        for number in PRESETS
    ),
    Binding(
        "tab,f5",
        "grouping(1)",
        "group",
        id="next_grouping",
        group=LOOK,
        tooltip="Next grouping: app, role, state, client, database, source, query.",
    ),
    Binding(
        "shift+tab",
        "grouping(-1)",
        "previous grouping",
        id="previous_grouping",
        show=False,
        group=LOOK,
        tooltip="Previous grouping.",
    ),
    Binding(
        "s,f6",
        "sort",
        "sort",
        id="sort",
        group=LOOK,
        tooltip="Next sort order. A click on a title sorts by that column.",
    ),
    Binding(
        "S",
        "reverse",
        "reverse",
        id="reverse",
        show=False,
        group=LOOK,
        tooltip="Turn the order round.",
    ),
    Binding(
        "C",
        "columns",
        "columns",
        id="columns",
        show=False,
        group=LOOK,
        tooltip="Choose the columns. Which the table has; the choice is kept. Nothing is sent.",
    ),
    Binding(
        "greater_than_sign,shift+right",
        "aside(1)",
        "more columns",
        id="scroll_right",
        show=False,
        group=LOOK,
        tooltip="Columns to the right. Of sessions, those that had no room, then the end of the query.",
    ),
    Binding(
        "less_than_sign,shift+left",
        "aside(-1)",
        "columns back",
        id="scroll_left",
        show=False,
        group=LOOK,
        tooltip="Columns back to the left. Nothing is sent.",
    ),
    Binding(
        "b",
        "blockers",
        "blockers",
        id="blockers",
        group=LOOK,
        tooltip="Who waits for whom. How many go on when a blocker ends; Enter goes to that session.",
    ),
    Binding(
        "d",
        "diagnose",
        "diagnose",
        id="diagnose",
        group=LOOK,
        tooltip="Why full, and what to do. Causes with evidence, and remedies to copy. Asks the server for its "
        "settings, and its log where that may be read.",
    ),
    Binding(
        "l",
        "leaks",
        "leaks only",
        id="leaks",
        show=False,
        group=LOOK,
        tooltip="Only what looks leaked. Of those the filter shows; again, or Esc: everything.",
    ),
    Binding(
        "w",
        "report",
        "write report",
        id="report",
        show=False,
        group=LOOK,
        tooltip="Write an incident report. To a file: verdict, groups, leaks, what was signalled and what to do. "
        "Literals of queries are masked.",
    ),
    Binding(
        "i",
        "counting",
        "counting",
        id="counting",
        show=False,
        group=LOOK,
        tooltip="How numbers are counted. Beside what other recipes and cloud consoles show.",
    ),
    Binding(
        "y",
        "copy_query",
        "copy query",
        id="copy_query",
        show=False,
        group=LOOK,
        tooltip="Copy the query. Of the session, to the clipboard (OSC 52, over SSH too).",
    ),
    Binding(
        "Y",
        "copy_signal",
        "copy SQL",
        id="copy_signal",
        show=False,
        group=LOOK,
        tooltip="Copy the SQL that ends it. The statement that would terminate the marks, the group or the "
        "session, bound to their identity.",
    ),
    Binding(
        "down,j",
        "move(1)",
        "down",
        id="down",
        show=False,
        group=MOVE,
        tooltip="One line down.",
    ),
    Binding("up,k", "move(-1)", "up", id="up", show=False, group=MOVE, tooltip="One line up."),
    Binding(
        "pagedown",
        "page(1)",
        "page down",
        id="page_down",
        show=False,
        group=MOVE,
        tooltip="One page down.",
    ),
    Binding(
        "pageup",
        "page(-1)",
        "page up",
        id="page_up",
        show=False,
        group=MOVE,
        tooltip="One page up.",
    ),
    Binding(
        "home,g",
        "first",
        "first line",
        id="first",
        show=False,
        group=MOVE,
        tooltip="The first line.",
    ),
    Binding(
        "G",
        "last",
        "last line",
        id="last",
        show=False,
        group=MOVE,
        tooltip="The last line.",
    ),
    Binding(
        "enter",
        "open",
        "open",
        id="open",
        show=False,
        group=MOVE,
        tooltip="Open group, show session. Opens or closes a group; everything known of a session.",
    ),
    Binding(
        "right",
        "expand",
        "expand",
        id="expand",
        show=False,
        group=MOVE,
        tooltip="Open, step in. Opens a group, or steps into an open one; everything known of a session.",
    ),
    Binding(
        "left",
        "collapse",
        "collapse",
        id="collapse",
        show=False,
        group=MOVE,
        tooltip="Close, step out. Closes a group, or goes to the group above.",
    ),
    Binding(
        "p",
        "pause",
        "pause",
        id="pause",
        group=POLL,
        tooltip="Hold the table still. The figures above go on, and the server is asked as before.",
    ),
    Binding(
        "left_square_bracket",
        "step(-1)",
        "earlier",
        id="earlier",
        show=False,
        group=POLL,
        tooltip="Step back in time. The whole screen as it was one poll before; nothing is sent from there.",
    ),
    Binding(
        "right_square_bracket",
        "step(1)",
        "later",
        id="later",
        show=False,
        group=POLL,
        tooltip="Step forward in time. Behind the newest poll is live.",
    ),
    Binding(
        "end",
        "live",
        "live",
        id="live",
        show=False,
        group=POLL,
        tooltip="Back to live. Where that is what is shown: the last line of the table.",
    ),
    Binding(
        "h",
        "history",
        "history",
        id="history",
        show=False,
        group=POLL,
        tooltip="The history as a chart. Slots in use by group or state, and where signals were sent; Enter goes to "
        "that time. Asks the server nothing.",
    ),
    Binding(
        "R",
        "record",
        "record",
        id="record",
        show=False,
        group=POLL,
        tooltip="Record to a file. With what was kept until now, and whatever comes; again: end the recording.",
    ),
    Binding(
        "plus,equals_sign",
        "interval(1)",
        "slower",
        id="slower",
        show=False,
        group=POLL,
        tooltip="Ask less often.",
    ),
    Binding(
        "minus",
        "interval(-1)",
        "faster",
        id="faster",
        show=False,
        group=POLL,
        tooltip="Ask more often. Every 0.25 s at most.",
    ),
    Binding(
        "r",
        "refresh",
        "refresh",
        id="refresh",
        show=False,
        group=POLL,
        tooltip="Ask the server now.",
    ),
    Binding(
        "question_mark,f1",
        "help",
        "help",
        id="help",
        group=PROGRAM,
        tooltip="All keys. Again: each with what it does in full.",
    ),
    Binding(
        "ctrl+p",
        "palette",
        "palette",
        id="palette",
        show=False,
        group=PROGRAM,
        tooltip="Find any command. By its name: keys, groupings, sort orders, themes, and the groups on the screen.",
    ),
    Binding(
        "q,f10",
        "app.quit",
        "quit",
        id="quit",
        group=PROGRAM,
        tooltip="Leave. As Ctrl-C does; the session on the server is closed.",
    ),
]


def available(read_only: bool) -> list[Binding]:
    """The keys that do something."""
    return [binding for binding in BINDINGS if not (read_only and binding.id in SIGNAL_IDS)]
