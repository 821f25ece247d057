"""What the main screen does without asking the server: moving, opening, grouping, sorting, filtering, copying."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags, parse
from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.monitor.signal_queue import Severity
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.columns import ColumnChooser
from pgtop_conn.tui.dialogs.counting import Counting
from pgtop_conn.tui.dialogs.help import READ_ONLY, Help
from pgtop_conn.tui.dialogs.palette import palette
from pgtop_conn.tui.dialogs.session import Detail
from pgtop_conn.tui.keys import footer
from pgtop_conn.tui.keys import monitor as keys
from pgtop_conn.tui.keys.names import display, keymap_of, remapped
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.widgets.filter_bar import FilterBar
from pgtop_conn.tui.widgets.line_view import COMPONENTS, LineView
from pgtop_conn.tui.widgets.session_table import SessionTable
from pgtop_conn.view.status.key_line import Spot
from pgtop_conn.view.table.column_choices import known
from pgtop_conn.view.table.groups import GROUPINGS, paths_to
from pgtop_conn.view.table.lines import SORTS, Line, is_listed, shown, visible

GONE = "The session under the cursor is no longer listed; move to another"

#: How the filter line is left without a filter.
LEAVE_FILTER = [one for one in FilterBar.BINDINGS if isinstance(one, Binding) and one.id == "filter_leave"]
#: What the filter line keeps to itself while it is open.
NOT_WHILE_TYPING = frozenset({"grouping", "clear_filter", "filter"})


def reading_s(text: str) -> float:
    """How long a message covers what is below it: as long as it takes to read.

    >>> [reading_s("x" * length) for length in (5, 60, 900)]
    [3.0, 4.5, 10.0]
    """
    return min(10.0, max(3.0, 1.5 + len(text) / 20))


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """An earlier moment, with what was known of it then."""

    moment: Moment
    tags: Tags
    observation: Observation

    @property
    def at(self) -> float:
        return self.moment.snapshot.taken_at


class BrowseScreen(Screen[None]):
    """Holds what the user chose to look at: `view` is replaced by keys and by nothing else."""

    AUTO_FOCUS = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENTS
    BINDINGS: ClassVar[list[BindingType]] = [*keys.BINDINGS]

    def __init__(self, options: ScreenOptions) -> None:
        super().__init__()
        #: The last message, and until when it is there.
        self._told = ("", 0.0)
        self.options = options
        #: The user's own keys, by the ids of the bindings.
        self.keymap = keymap_of(options.keys)
        self.use_bindings(keys.available(options.policy.read_only))
        self.view = replace(options.view, hidden=known(options.hidden_columns or options.view.hidden))
        self.snapshot: Snapshot | None = None
        #: The snapshot the table holds still; None while it goes on.
        self.paused: Snapshot | None = None
        #: What the rows of the newest poll, and of the one that is held still, do not say of themselves.
        self.tags: Tags = NO_TAGS
        self.paused_tags: Tags = NO_TAGS
        #: What the whole screen shows instead of the newest poll.
        self.past: Past | None = None
        self.table = SessionTable(id="table")
        self.filter_bar = FilterBar(id="filter")

    @property
    def shown_snapshot(self) -> Snapshot | None:
        """What the table shows: the newest poll, the one it was paused at, or an earlier moment."""
        return self.paused if self.paused is not None and self.past is None else self.told_snapshot

    @property
    def told_snapshot(self) -> Snapshot | None:
        """What the figures above the table and the dialogs tell of: the newest poll, or an earlier moment."""
        return self.snapshot if self.past is None else self.past.moment.snapshot

    @property
    def told_tags(self) -> Tags:
        """Those of told_snapshot."""
        return self.tags if self.past is None else self.past.tags

    @property
    def held(self) -> bool:
        """Whether what comes in leaves the table as it is."""
        return self.paused is not None

    @property
    def shown_tags(self) -> Tags:
        """Those of the snapshot that the table shows."""
        if self.past is not None:
            return self.past.tags
        return self.tags if self.paused is None else self.paused_tags

    def show_table(self) -> None:
        """Build and show the lines of `view`."""
        raise NotImplementedError

    def show_gauges(self) -> None:
        """Show the lines above the table."""
        raise NotImplementedError

    def show_keys(self) -> None:
        """Show the keys that make sense where the cursor is."""
        raise NotImplementedError

    def on_mount(self) -> None:
        if self.keymap:
            self.app.set_keymap(self.keymap)

    def use_bindings(self, bindings: list[Binding]) -> None:
        """The keys that do something here, for the key line, the help and sentences."""
        self._bindings_now = remapped(bindings, self.keymap)

    def offered(self) -> list[Binding]:
        """The keys for the key line, as they are mapped, with what they do here."""
        if self.filter_bar.display:
            leave = replace(remapped(LEAVE_FILTER, self.keymap)[0], show=True)
            return [Binding("enter", "apply", "apply"), leave]
        spot = Spot(
            self.table.current,
            self.view,
            self.told_snapshot,
            self.options.policy,
            paused=self.held,
            past=self.past is not None,
        )
        return footer.offered(self._bindings_now, spot)

    def key_of(self, name: str) -> str:
        """The first key of the binding with this id, for a sentence."""
        return next((display(binding.key, 1) for binding in self._bindings_now if binding.id == name), name)

    def ask_about(self, action: Action, target: Target) -> None:
        """Ask whether this one session is to be signalled."""
        raise NotImplementedError

    def tell(self, text: str, severity: Severity = "information") -> None:
        """A message in the corner, once while it is there; never markup, it may hold names from the server."""
        said, until = self._told
        if text == said and monotonic() < until:
            return
        self._told = (text, monotonic() + reading_s(text))
        self.notify(text, severity=severity, timeout=reading_s(text), markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self.filter_bar.display and action in NOT_WHILE_TYPING)

    # Moving.

    def action_move(self, lines: int) -> None:
        self.table.move(lines)
        self.show_keys()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * self.table.page)

    def action_first(self) -> None:
        self.table.put_cursor(0)
        self.show_keys()

    def action_last(self) -> None:
        self.table.put_cursor(len(self.table.lines) - 1)
        self.show_keys()

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        """A click puts the cursor there."""
        if event.view is self.table:
            self.table.put_cursor(event.index)
            self.show_keys()

    def on_session_table_opened(self, _event: SessionTable.Opened) -> None:
        """A double click is Enter: the first one has put the cursor there."""
        self.action_open()

    def on_session_table_titled(self, event: SessionTable.Titled) -> None:
        """A click on a title sorts by that column; on the one it is sorted by, it turns the order round."""
        if event.sort == self.view.sort:
            self.action_reverse()
        else:
            self._sort_by(event.sort, False)

    def action_open(self) -> None:
        line = self._line()
        if line is not None and line.backend is not None:
            self._open_detail(line.backend)
        elif line is not None:
            self._expand(line, not line.expanded)

    def action_expand(self) -> None:
        line = self._line()
        if line is None:
            return
        if line.backend is not None:
            self._open_detail(line.backend)
        elif line.expanded:
            self.action_move(1)
        else:
            self._expand(line, True)

    def action_collapse(self) -> None:
        line = self._line()
        if line is None:
            return
        if line.group is not None and line.expanded:
            self._expand(line, False)
            return
        parent = self.table.parent_of(line)
        if parent is not None:
            self.table.put_cursor_on(parent.key)
            self.show_keys()

    def _expand(self, line: Line, expanded: bool) -> None:
        if line.group is not None:
            path = {line.group.path}
            chosen = self.view.expanded | path if expanded else self.view.expanded - path
            self.view = replace(self.view, expanded=chosen)
            self.show_table()

    def _open_detail(self, backend: Backend) -> None:
        snapshot = self.shown_snapshot
        if snapshot is not None:
            # The detail goes on with the polls though the table holds still; an earlier moment stays what it was.
            self.app.push_screen(Detail(backend, snapshot, self.options.policy, lambda: self.told_tags, self.ask_about))

    def _line(self) -> Line | None:
        """The line under the cursor; says so when it is gone."""
        line = self.table.current
        if line is None and self.table.lines:
            self.tell(GONE, "warning")
        return line

    # Looking.

    def action_grouping(self, step: int) -> None:
        names = list(GROUPINGS)
        self.choose_grouping(names[(names.index(self.view.grouping) + step) % len(names)])

    def choose_grouping(self, name: str) -> None:
        """Group the table anew, the cursor on its first line; the next start groups so, too."""
        self.view = replace(self.view, grouping=name)
        self.table.cursor = None
        self.show_table()
        self.table.put_cursor(0)
        # First what was asked for is painted, then a file is written.
        self.call_after_refresh(self.options.save_grouping, name)

    def action_sort(self) -> None:
        names = list(SORTS)
        self.choose_sort(names[(names.index(self.view.sort) + 1) % len(names)])

    def choose_sort(self, name: str) -> None:
        """Another order, the way round that says most."""
        self._sort_by(name, self.view.reverse)

    def _sort_by(self, name: str, reverse: bool) -> None:
        self.view = replace(self.view, sort=name, reverse=reverse)
        self.show_table()
        self.call_after_refresh(self.options.save_sort, name, reverse)

    def action_reverse(self) -> None:
        self._sort_by(self.view.sort, not self.view.reverse)

    def action_filter(self) -> None:
        self.filter_bar.open(self.view.filter.text, self._count)
        self.show_keys()

    def _count(self, found: Filter) -> str:
        snapshot = self.shown_snapshot
        if snapshot is None:
            return ""
        matching = len(visible(snapshot, replace(self.view, filter=found), self.shown_tags))
        leaks = ", leaks only" if self.view.leaks_only else ""
        return f"{matching} of {len(shown(snapshot, parse('')))} sessions{leaks}   Enter applies, Esc leaves"

    def on_filter_bar_applied(self, event: FilterBar.Applied) -> None:
        self.filter_bar.close()
        self.show_keys()
        self._set_filter(event.filter)

    def on_filter_bar_left(self) -> None:
        self.filter_bar.close()
        self.show_keys()

    def action_clear_filter(self) -> None:
        if self.view.choice:
            self._set_filter(parse(""), leaks_only=False)

    def _set_filter(self, found: Filter, *, leaks_only: bool | None = None) -> None:
        """`leaks_only` None leaves that choice as it is."""
        leaks = self.view.leaks_only if leaks_only is None else leaks_only
        self.view = replace(self.view, filter=found, leaks_only=leaks)
        self.show_table()
        if self.table.current is None:
            # What was chosen hides its line: the key was about the whole table.
            self.table.put_cursor(0)

    def action_preset(self, number: str) -> None:
        """A filter of the configuration; the same key again leaves it."""
        text = dict(self.options.presets).get(number, "")
        if not text:
            self.tell(f"There is no filter on {number}: [presets] of the configuration has them", "warning")
            return
        now = self.view.filter.text == text
        self._set_filter(parse("" if now else text))
        self.tell("No filter" if now else f"Filter {text}")

    def action_leaks(self) -> None:
        if not self.view.leaks_only and not self.shown_tags.leak:
            self.tell("No session looks leaked so far: that takes some polls to see")
            return
        self._set_filter(self.view.filter, leaks_only=not self.view.leaks_only)

    def action_blockers(self) -> None:
        if self.told_snapshot is not None:
            self.app.push_screen(Blockers(self.told_snapshot), self._go_to)

    def action_aside(self, steps: int) -> None:
        if not self.table.move_aside(steps) and steps > 0:
            self.tell("Nothing more at the right; open a group to see its sessions")

    def action_columns(self) -> None:
        labelled, ascii_only = self.shown_tags.labelled, self.options.ascii
        self.app.push_screen(
            ColumnChooser(self.view.hidden, labelled=labelled, ascii_only=ascii_only), self.choose_columns
        )

    def choose_columns(self, hidden: frozenset[str] | None) -> None:
        """Show the columns that were chosen, and keep the choice for the next time."""
        if hidden is None or hidden == self.view.hidden:
            return
        self.view = replace(self.view, hidden=hidden)
        self.table.move_aside(-self.table.aside)
        self.show_table()
        self.options.save_columns(sorted(hidden))

    def action_counting(self) -> None:
        if self.told_snapshot is not None:
            self.app.push_screen(Counting(self.told_snapshot, ascii_only=self.options.ascii))

    def _go_to(self, key: BackendKey | None) -> None:
        """The cursor on this session: its groups are opened, a filter or a pause that hides it is left."""
        # A table that is held still may show the session elsewhere, or not at all.
        self.paused = None
        snapshot = self.shown_snapshot
        if key is None or snapshot is None:
            return
        backend = snapshot.by_key.get(key)
        if backend is None:
            self.tell("That session is no longer listed", "warning")
            return
        if not is_listed(backend):
            self.view = replace(self.view, filter=parse(f"pid:{backend.pid}"), leaks_only=False)
        elif not self.view.shows(backend, snapshot.taken_at, self.shown_tags):
            self.view = replace(self.view, filter=parse(""), leaks_only=False)
        paths = paths_to(backend, GROUPINGS[self.view.grouping], self.shown_tags)
        self.view = replace(self.view, expanded=self.view.expanded | paths)
        self.show_gauges()
        self.show_table()
        if not self.table.put_cursor_on(key):
            self.tell(f"Session {backend.pid} is not in the table", "warning")

    def action_copy_query(self) -> None:
        line = self._line()
        if line is None or line.backend is None:
            self.tell("Move to a session to copy its query", "warning")
        else:
            where = copy(self.app, line.backend.query)
            self.tell(f"Query of {line.backend.pid} copied{where}")

    @property
    def remark(self) -> str:
        """What the help says of the whole screen."""
        return READ_ONLY if self.options.policy.read_only else ""

    def action_help(self) -> None:
        help_screen = Help(self._bindings_now, remark=self.remark, ascii_only=self.options.ascii, keymap=self.keymap)
        self.app.push_screen(help_screen)

    def action_palette(self) -> None:
        self.app.push_screen(palette())

    def choose_theme(self, name: str) -> None:
        """Show it now; the application keeps it for the next start."""
        self.app.theme = name
