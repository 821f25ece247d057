"""Browsing: moving, opening, grouping, sorting, filtering and copying. It asks the server nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pgtop_conn.model.filters.language import Filter, parse
from pgtop_conn.model.snapshot import Backend, BackendKey
from pgtop_conn.model.source import Action, Target
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.columns import ColumnChooser
from pgtop_conn.tui.dialogs.counting import Counting
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.tui.options import LayoutStore
from pgtop_conn.tui.screen.desk import Desk
from pgtop_conn.view.table.groups import GROUPINGS, Path, paths_to
from pgtop_conn.view.table.lines import SORTS, Line, is_listed, shown, visible

GONE = "The session under the cursor is no longer listed; move to another"


class Browsing:
    """`ask` puts the question before a signal to one session; `presets` are filters by the digit that sets them."""

    def __init__(
        self,
        state: MonitorState,
        desk: Desk,
        layout: LayoutStore,
        presets: Mapping[str, str],
        ask: Callable[[Action, Target], None],
    ) -> None:
        self._state = state
        self._desk = desk
        self._layout = layout
        self._presets = presets
        self._ask = ask

    # Moving.

    def move(self, lines: int) -> None:
        self._desk.table.move(lines)
        self._desk.redraw_keys()

    def page(self, pages: int) -> None:
        self.move(pages * self._desk.table.page)

    def put(self, index: int) -> None:
        """The cursor on this line, or on the next one that can hold it."""
        self._desk.table.put_cursor(index)
        self._desk.redraw_keys()

    def first(self) -> None:
        self.put(0)

    def last(self) -> None:
        self.put(len(self._desk.table.lines) - 1)

    def aside(self, steps: int) -> None:
        if not self._desk.table.move_aside(steps) and steps > 0:
            self._desk.tell("Nothing more at the right; open a group to see its sessions")

    def line(self) -> Line | None:
        """The line under the cursor; says so when it is gone."""
        line = self._desk.table.current
        if line is None and self._desk.table.lines:
            self._desk.tell(GONE, "warning")
        return line

    def open(self) -> None:
        line = self.line()
        if line is not None and line.backend is not None:
            self._open_detail(line.backend)
        elif line is not None:
            self._expand(line, not line.expanded)

    def expand(self) -> None:
        line = self.line()
        if line is None:
            return
        if line.backend is not None:
            self._open_detail(line.backend)
        elif line.expanded:
            self.move(1)
        else:
            self._expand(line, True)

    def collapse(self) -> None:
        line = self.line()
        if line is None:
            return
        if line.group is not None and line.expanded:
            self._expand(line, False)
            return
        parent = self._desk.table.parent_of(line)
        if parent is not None:
            self._desk.table.put_cursor_on(parent.key)
            self._desk.redraw_keys()

    def _expand(self, line: Line, expanded: bool) -> None:
        if line.group is not None:
            path, view = {line.group.path}, self._state.view
            chosen = view.expanded | path if expanded else view.expanded - path
            self._state.view = replace(view, expanded=chosen)
            self._desk.redraw_table()

    def _open_detail(self, backend: Backend) -> None:
        snapshot = self._state.shown
        if snapshot is not None:
            # The detail goes on with the polls though the table holds still; an earlier moment stays what it was.
            policy = self._state.terms.policy
            self._desk.push(SessionDetail(backend, snapshot, policy, lambda: self._state.told_tags, self._ask))

    def go_to_group(self, path: Path) -> None:
        if not self._desk.table.put_cursor_on(path):
            self._desk.tell("That group is gone", "warning")
        self._desk.redraw_keys()

    def go_to_session(self, key: BackendKey | None) -> None:
        """The cursor on this session: its groups are opened, a filter or a pause that hides it is left."""
        state, snapshot = self._state, self._state.told
        if key is None or snapshot is None:
            return
        backend = snapshot.by_key.get(key)
        if backend is None:
            self._desk.tell("That session is no longer listed", "warning")
            return
        # A table that is held still may show the session elsewhere, or not at all.
        state.resume()
        if not is_listed(backend):
            state.choose(parse(f"pid:{backend.pid}"), leaks_only=False)
        elif not state.view.shows(backend, snapshot.taken_at, state.shown_tags):
            state.choose(parse(""), leaks_only=False)
        paths = paths_to(backend, GROUPINGS[state.view.grouping], state.shown_tags)
        state.view = replace(state.view, expanded=state.view.expanded | paths)
        self._desk.redraw()
        if not self._desk.table.put_cursor_on(key):
            self._desk.tell(f"Session {backend.pid} is not in the table", "warning")

    # Grouping and sorting.

    def next_grouping(self, step: int) -> None:
        names = list(GROUPINGS)
        self.choose_grouping(names[(names.index(self._state.view.grouping) + step) % len(names)])

    def choose_grouping(self, name: str) -> None:
        """Group the table anew, the cursor on its first line; the next start groups so, too."""
        self._state.view = replace(self._state.view, grouping=name)
        self._desk.table.cursor = None
        self._desk.redraw_table()
        self._desk.table.put_cursor(0)
        # First what was asked for is painted, then a file is written.
        self._desk.later(lambda: self._layout.save_grouping(name))

    def next_sort(self) -> None:
        names = list(SORTS)
        self.choose_sort(names[(names.index(self._state.view.sort) + 1) % len(names)])

    def choose_sort(self, name: str) -> None:
        """Another order, the way round that says most."""
        self._sort_by(name, self._state.view.reverse)

    def reverse(self) -> None:
        self._sort_by(self._state.view.sort, not self._state.view.reverse)

    def sort_by_title(self, name: str) -> None:
        """By the column whose title was clicked; by the one it is sorted by, the other way round."""
        if name == self._state.view.sort:
            self.reverse()
        else:
            self._sort_by(name, False)

    def _sort_by(self, name: str, reverse: bool) -> None:
        self._state.view = replace(self._state.view, sort=name, reverse=reverse)
        self._desk.redraw_table()
        self._desk.later(lambda: self._layout.save_sort(name, reverse))

    # Filtering.

    def count(self, found: Filter) -> str:
        """What a filter would leave, in words."""
        snapshot, view = self._state.shown, self._state.view
        if snapshot is None:
            return ""
        matching = len(visible(snapshot, replace(view, filter=found), self._state.shown_tags))
        leaks = ", leaks only" if view.leaks_only else ""
        return f"{matching} of {len(shown(snapshot, parse('')))} sessions{leaks}   Enter applies, Esc leaves"

    def set_filter(self, found: Filter, *, leaks_only: bool | None = None) -> None:
        """`leaks_only` None leaves that choice as it is."""
        self._state.choose(found, leaks_only=leaks_only)
        self._desk.redraw_table()
        if self._desk.table.current is None:
            # What was chosen hides its line: the key was about the whole table.
            self._desk.table.put_cursor(0)

    def clear_filter(self) -> None:
        if self._state.view.choice:
            self.set_filter(parse(""), leaks_only=False)

    def preset(self, number: str) -> None:
        """A filter of the configuration; the same key again leaves it."""
        text = self._presets.get(number, "")
        if not text:
            self._desk.tell(f"There is no filter on {number}: [presets] of the configuration has them", "warning")
            return
        now = self._state.view.filter.text == text
        self.set_filter(parse("" if now else text))
        self._desk.tell("No filter" if now else f"Filter {text}")

    def leaks(self) -> None:
        view = self._state.view
        if not view.leaks_only and not self._state.shown_tags.leak:
            self._desk.tell("No session looks leaked so far: that takes some polls to see")
            return
        self.set_filter(view.filter, leaks_only=not view.leaks_only)

    # Looking.

    def blockers(self) -> None:
        if self._state.told is not None:
            self._desk.push(Blockers(self._state.told), self.go_to_session)

    def counting(self) -> None:
        if self._state.told is not None:
            self._desk.push(Counting(self._state.told, ascii_only=self._state.terms.ascii))

    def columns(self) -> None:
        labelled, ascii_only = self._state.shown_tags.labelled, self._state.terms.ascii
        chooser = ColumnChooser(self._state.view.hidden, labelled=labelled, ascii_only=ascii_only)
        self._desk.push(chooser, self.choose_columns)

    def choose_columns(self, hidden: frozenset[str] | None) -> None:
        """Show the columns that were chosen, and keep the choice for the next time."""
        if hidden is None or hidden == self._state.view.hidden:
            return
        self._state.view = replace(self._state.view, hidden=hidden)
        self._desk.table.move_aside(-self._desk.table.aside)
        self._desk.redraw_table()
        self._layout.save_columns(sorted(hidden))

    def copy_query(self) -> None:
        line = self.line()
        if line is None or line.backend is None:
            self._desk.tell("Move to a session to copy its query", "warning")
        else:
            where = self._desk.copy(line.backend.query)
            self._desk.tell(f"Query of {line.backend.pid} copied{where}")
