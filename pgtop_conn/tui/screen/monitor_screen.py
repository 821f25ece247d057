"""MonitorScreen: the lines above the table, the table, the filter line and the key line, and the keys on them.

Add a key: one Binding in tui/keys/monitor.py, one action_ line here, one method of a controller.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from time import monotonic
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Source, Target
from pgtop_conn.monitor.campaign import Phase
from pgtop_conn.monitor.signal_queue import Severity, SignalQueue
from pgtop_conn.monitor.state import MonitorState
from pgtop_conn.tui.clipboard import copy
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.dialogs.help import Help
from pgtop_conn.tui.dialogs.history import HistoryScreen
from pgtop_conn.tui.dialogs.palette import Palette, PaletteCommand
from pgtop_conn.tui.keys import dialogs, footer, monitor, replay
from pgtop_conn.tui.keys.names import display, keymap_of, remapped
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.browsing import Browsing
from pgtop_conn.tui.screen.desk import Result
from pgtop_conn.tui.screen.diagnosing import Diagnosing
from pgtop_conn.tui.screen.feed import Feed
from pgtop_conn.tui.screen.live_feed import LiveFeed
from pgtop_conn.tui.screen.marking import Marking
from pgtop_conn.tui.screen.palette_commands import PaletteCommands, ThemeChoice
from pgtop_conn.tui.screen.recording import RecordingControl
from pgtop_conn.tui.screen.replay_feed import ReplayFeed
from pgtop_conn.tui.screen.signalling import Signalling
from pgtop_conn.tui.widgets.filter_bar import FilterBar
from pgtop_conn.tui.widgets.gauges import Gauges, Heading, KeyLine
from pgtop_conn.tui.widgets.line_view import COMPONENTS, LineView
from pgtop_conn.tui.widgets.session_table import SessionTable
from pgtop_conn.tui.widgets.too_small import TooSmall
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.status.key_line import Spot
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.table import empty
from pgtop_conn.view.table.column_choices import known
from pgtop_conn.view.table.lines import build

#: What the filter line keeps to itself while it is open.
NOT_WHILE_TYPING = frozenset({"grouping", "clear_filter", "filter"})
#: Leaving waits at most so long for what was before a recording to be copied, and again for what waits for the disk.
TAPED_WITHIN_S = 2.0


def reading_s(text: str) -> float:
    """How long a message covers what is below it: as long as it takes to read.

    >>> [reading_s("x" * length) for length in (5, 60, 900)]
    [3.0, 4.5, 10.0]
    """
    return min(10.0, max(3.0, 1.5 + len(text) / 20))


class MonitorScreen(Screen[None]):
    """The Desk of its controllers. `state` is what it shows, `feed` is where that comes from."""

    AUTO_FOCUS = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = COMPONENTS
    BINDINGS: ClassVar[list[BindingType]] = [*monitor.BINDINGS, *replay.MOVING]

    class Whole(Message):
        """All that is on the screen is there."""

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        super().__init__()
        self.options = options
        #: The user's own keys, by the ids of the bindings.
        self.keymap = keymap_of(options.keys)
        if options.tape is not None:
            # Their keys do something else on a recording, where they are those of ReplayFeed.
            self.keymap = {name: keys for name, keys in self.keymap.items() if name not in replay.LEFT_OUT}
        #: Whether all that is on it is there: only then keys find what they are for.
        self.whole = False
        #: The last message, and until when it is there.
        self._told = ("", 0.0)
        self.table = SessionTable(id="table")
        self.filter_bar = FilterBar(id="filter")
        self._gauges, self._heading = Gauges(id="gauges"), Heading(id="heading")
        self._keys = KeyLine(id="keys")
        hidden = known(options.hidden_columns or options.view.hidden)
        self.state = MonitorState(replace(options.view, hidden=hidden), options.terms)
        self.feed, self.recording = self._fed(source)
        self.bindings_now = remapped(self.feed.bindings, self.keymap)
        poller = self.feed.poller
        self.signals = SignalQueue(source, poller, options.policy, options.per_second, self.tell, self.redraw_keys)
        presets = dict(options.presets)
        self.browsing = Browsing(self.state, self, options.layout, presets, self._ask_about)
        self.marking = Marking(self.state, self, self.browsing.line)
        self.signalling = Signalling(
            self.state, self, self.feed, self.signals, self.marking, options.escalate_after_s, self.recording.mark
        )
        self.diagnosing = Diagnosing(self.state, self, source, poller, options.reports, self._facts_changed)

    def _fed(self, source: Source) -> tuple[Feed, RecordingControl]:
        """What the options say is shown, and where it is kept: a recording is not recorded again."""
        options = self.options
        if options.tape is not None:
            return ReplayFeed(self.state, self, options.tape, options), RecordingControl(self.state, self, None, None)
        feed = LiveFeed(self.state, self, source, options, lambda: self.signals.pending)
        return feed, RecordingControl(self.state, self, options.ring, options.recordings)

    def compose(self) -> ComposeResult:
        yield self._gauges
        yield self._heading
        yield self.table
        yield self.filter_bar
        yield self._keys
        yield TooSmall()

    def on_mount(self) -> None:
        if self.keymap:
            self.app.set_keymap(self.keymap)
        self.redraw_keys()
        self.feed.begin()
        if self.state.newest is None:
            self.redraw()
        self.set_interval(1.0, self.tick)
        self.call_after_refresh(self._be_whole)

    def _be_whole(self) -> None:
        self.whole = True
        self.post_message(self.Whole())

    async def finish(self) -> None:
        """Nothing more is sent, the signal in flight ends as it must, and no poll is left running."""
        await self.signals.leave()
        await self.diagnosing.facts.stop()
        await self.feed.poller.stop()
        await self.signals.finish()
        await self.recording.stop(TAPED_WITHIN_S)

    # The desk.

    def tell(self, text: str, severity: Severity = "information") -> None:
        said, until = self._told
        if text == said and monotonic() < until:
            return
        self._told = (text, monotonic() + reading_s(text))
        self.notify(text, severity=severity, timeout=reading_s(text), markup=False)

    def push(self, dialog: Screen[Result], answered: Callable[[Result | None], None] | None = None) -> None:
        self.app.push_screen(dialog, answered)

    def run(self, work: Coroutine[Any, Any, Any], name: str, *, alone: bool = False) -> None:
        self.run_worker(work, name=name, group=name if alone else "default", exclusive=alone)

    def end(self, name: str) -> None:
        self.workers.cancel_group(self, name)

    def later(self, call: Callable[[], None]) -> None:
        self.call_after_refresh(call)

    def copy(self, text: str) -> str:
        return copy(self.app, text)

    def key_of(self, name: str) -> str:
        return next((display(binding.key, 1) for binding in self.bindings_now if binding.id == name), name)

    def polled(self, snapshot: Snapshot) -> None:
        self.state.take(snapshot)
        self.recording.keep(snapshot)
        self.signals.observe(snapshot)
        self.redraw_gauges()
        if self.state.past is not None:
            return
        if self.state.paused is None:
            self.redraw_table()
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog):
                screen.polled(snapshot)

    # Drawing.

    def tick(self) -> None:
        """Once a second: only an age that grows needs drawing between two polls."""
        if self.state.stale_s(self.feed.poller.asking_since, self.feed.interval_s) is not None:
            self.redraw_gauges()

    def _status(self) -> ScreenStatus:
        status = ScreenStatus(
            interval_s=self.feed.interval_s,
            stretched_s=self.feed.poller.stretched_s,
            comeback=self.signals.comeback,
            recording=self.recording.taping is not None,
        )
        return self.state.status(status, self.feed.poller.asking_since)

    def redraw(self) -> None:
        self.redraw_gauges()
        self.redraw_table()

    def redraw_gauges(self) -> None:
        status = self._status()
        told = self.state.gauges(status)
        if told is None:
            self._gauges.show_waiting(status)
        else:
            self._gauges.show_told(told, ascii_only=self.options.ascii)

    def redraw_table(self) -> None:
        """Whatever changed, a poll or the view: the same way to the screen, and no query."""
        view, frame = self.state.view, self.state.frame()
        self._heading.show_view(view, ascii_only=self.options.ascii)
        if frame is None:
            return
        self.table.empty = empty.rows(frame.snapshot, view)
        self.table.show(build(frame, view), frame)
        self.redraw_keys()

    def redraw_keys(self) -> None:
        progress = self.signals.progress
        if progress is None or (progress.total == 1 and progress.phase is not Phase.WAIT):
            offered = self.offered()
            keys, before = self.feed.keys(offered)
            self._keys.show_bindings(offered if self.filter_bar.display else keys, before)
            return
        done = max(progress.sent, len(progress.outcomes))
        row = plans.progress(progress.phase, done, progress.total, progress.outcomes, ascii_only=self.options.ascii)
        self._keys.show_progress(row)

    def offered(self) -> list[Binding]:
        """The keys that make sense here, as they are mapped, with what they do."""
        if self.filter_bar.display:
            leave = replace(remapped(dialogs.FILTER_BAR, self.keymap)[0], show=True)
            return [Binding("enter", "apply", "apply"), leave]
        state = self.state
        spot = Spot(
            self.table.current,
            state.view,
            state.told,
            self.options.policy,
            paused=self.feed.held,
            past=state.past is not None,
        )
        return footer.offered(self.bindings_now, spot)

    # What widgets and dialogs say.

    def on_line_view_chosen(self, event: LineView.Chosen) -> None:
        """A click puts the cursor there."""
        if event.view is self.table:
            self.browsing.put(event.index)

    def on_session_table_opened(self, _event: SessionTable.Opened) -> None:
        """A double click is Enter: the first one has put the cursor there."""
        self.browsing.open()

    def on_session_table_titled(self, event: SessionTable.Titled) -> None:
        self.browsing.sort_by_title(event.sort)

    def on_filter_bar_applied(self, event: FilterBar.Applied) -> None:
        self.on_filter_bar_left()
        self.browsing.set_filter(event.filter)

    def on_filter_bar_left(self) -> None:
        self.filter_bar.close()
        self.redraw_keys()

    def _ask_about(self, action: Action, target: Target) -> None:
        self.signalling.ask_about(action, target)

    def _facts_changed(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, Diagnosis):
                screen.facts_changed()

    def choose_theme(self, name: str) -> None:
        """Show it now; the application keeps it for the next start."""
        self.app.theme = name

    # The keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in replay.MOVING_ACTIONS:
            return isinstance(self.feed, ReplayFeed)
        return not (self.filter_bar.display and action in NOT_WHILE_TYPING)

    def action_move(self, lines: int) -> None:
        self.browsing.move(lines)

    def action_page(self, pages: int) -> None:
        self.browsing.page(pages)

    def action_first(self) -> None:
        self.browsing.first()

    def action_last(self) -> None:
        self.browsing.last()

    def action_open(self) -> None:
        self.browsing.open()

    def action_expand(self) -> None:
        self.browsing.expand()

    def action_collapse(self) -> None:
        self.browsing.collapse()

    def action_aside(self, steps: int) -> None:
        self.browsing.aside(steps)

    def action_grouping(self, step: int) -> None:
        self.browsing.next_grouping(step)

    def action_sort(self) -> None:
        self.browsing.next_sort()

    def action_reverse(self) -> None:
        self.browsing.reverse()

    def action_filter(self) -> None:
        self.filter_bar.open(self.state.view.filter.text, self.browsing.count)
        self.redraw_keys()

    def action_clear_filter(self) -> None:
        self.browsing.clear_filter()

    def action_preset(self, number: str) -> None:
        self.browsing.preset(number)

    def action_leaks(self) -> None:
        self.browsing.leaks()

    def action_blockers(self) -> None:
        self.browsing.blockers()

    def action_counting(self) -> None:
        self.browsing.counting()

    def action_columns(self) -> None:
        self.browsing.columns()

    def action_copy_query(self) -> None:
        self.browsing.copy_query()

    def action_mark(self) -> None:
        self.marking.mark()

    def action_mark_filtered(self) -> None:
        self.marking.mark_filtered()

    def action_unmark(self) -> None:
        self.marking.unmark_all()

    def action_copy_signal(self) -> None:
        self.marking.copy_signal()

    def action_cancel(self) -> None:
        self.signalling.ask(Action.CANCEL)

    def action_terminate(self) -> None:
        self.signalling.ask(Action.TERMINATE)

    def action_free(self) -> None:
        self.signalling.free()

    def action_copy_limit(self) -> None:
        self.signalling.copy_limit()

    def action_diagnose(self) -> None:
        self.diagnosing.diagnose()

    def action_report(self) -> None:
        self.diagnosing.report()

    def action_record(self) -> None:
        self.recording.toggle()

    def action_pause(self) -> None:
        self.feed.pause()

    def action_interval(self, step: int) -> None:
        self.feed.pace(step)

    def action_refresh(self) -> None:
        self.feed.refresh()

    def action_step(self, step: int) -> None:
        self.feed.step(step)

    def action_live(self) -> None:
        self.feed.last()

    def action_history(self) -> None:
        tape, index = self.feed.tape, self.feed.index
        if tape is None or index is None:
            self.tell("Nothing is kept yet", "warning")
        else:
            dialog = HistoryScreen(tape, index, ascii_only=self.options.ascii)
            self.push(dialog, lambda at: None if at is None else self.feed.go_to(at))

    def action_jump(self) -> None:
        if isinstance(self.feed, ReplayFeed):
            self.feed.jump()

    def action_signal(self, step: int) -> None:
        if isinstance(self.feed, ReplayFeed):
            self.feed.signal(step)

    def action_peak(self, step: int) -> None:
        if isinstance(self.feed, ReplayFeed):
            self.feed.peak(step)

    def action_help(self) -> None:
        self.push(Help(self.bindings_now, remark=self.feed.remark, ascii_only=self.options.ascii, keymap=self.keymap))

    def palette_commands(self) -> list[PaletteCommand]:
        """Everything that can be done on the screen as it is now."""
        themes = ThemeChoice(self.app.available_themes, self.app.theme, self.choose_theme)
        bindings = remapped(monitor.available(self.options.policy.read_only), self.keymap)
        presets = dict(self.options.presets)
        return PaletteCommands(self.state, self, self.browsing, bindings, presets, themes, self.run_action).all()

    def action_palette(self) -> None:
        self.push(Palette(self.palette_commands()))
