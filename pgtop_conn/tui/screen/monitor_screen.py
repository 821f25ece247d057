"""The main screen: it takes in polls and shows them.

A key is a Binding in keys.py and an action_ method here, in acting.py where it signals, in explaining.py where it says
why, or in browse.py where it asks the server nothing.
"""

from __future__ import annotations

import logging
from time import monotonic

from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from pgtop_conn.model.errors import Failure, PgtopError, PollFailed, SlotsExhausted
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Source
from pgtop_conn.monitor.campaign import Phase
from pgtop_conn.monitor.poller import Asker, Poller
from pgtop_conn.monitor.signal_queue import VERIFY_EVERY_S
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.time_travel import TravellingScreen
from pgtop_conn.tui.widgets.gauges import Gauges, Heading, KeyLine
from pgtop_conn.tui.widgets.pieces import Row
from pgtop_conn.tui.widgets.too_small import TooSmall
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.status.server_lines import Back, Status
from pgtop_conn.view.status.top_lines import Told, largest_of
from pgtop_conn.view.table import empty
from pgtop_conn.view.table.groups import Group, rate_key
from pgtop_conn.view.table.lines import Frame, build

log = logging.getLogger(__name__)

#: Steps of the interval keys, in seconds.
INTERVALS_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
#: Leaving waits at most so long for what was before a recording to be copied, and again for what waits for the disk.
TAPED_WITHIN_S = 2.0
#: A question that is open for longer makes the data stale, whatever it ends with.
SLOW_ANSWER_S = 4.0


class MainScreen(TravellingScreen):
    """One source, asked by one poller."""

    class Whole(Message):
        """All that is on the screen is there."""

    def __init__(self, source: Source, options: ScreenOptions) -> None:
        super().__init__(source, options)
        self.interval_s = options.interval_s
        #: Whether all that is on it is there: only then keys find what they are for.
        self.whole = False
        self._good_at = monotonic()
        self._gauges, self._heading = Gauges(id="gauges"), Heading(id="heading")
        self._keys = KeyLine(id="keys")

    def make_poller(self, source: Source) -> Asker:
        return Poller(source, self._next_interval_s, self.on_polled, self.on_poll_failed)

    def compose(self) -> ComposeResult:
        yield self._gauges
        yield self._heading
        yield self.table
        yield self.filter_bar
        yield self._keys
        yield TooSmall()

    def on_mount(self) -> None:
        self.show_progress()
        if self.options.first is not None:
            self.on_polled(self.options.first)
        else:
            self._gauges.show_waiting(self._status())
            self._show_heading()
        self.run_worker(self.poller.run(wait_first=self.options.first is not None), name="poll")
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._be_whole)

    def _be_whole(self) -> None:
        self.whole = True
        self.post_message(self.Whole())

    async def finish(self) -> None:
        """Nothing more is sent, the signal in flight ends as it must, and no poll is left running."""
        await self.signals.leave()
        await self.facts.stop()
        await self.poller.stop()
        await self.signals.finish()
        await self.stop_taping(TAPED_WITHIN_S)

    # What the polls bring.

    def on_polled(self, snapshot: Snapshot) -> None:
        first = self.snapshot is None
        self.snapshot, self.trouble, self._good_at = snapshot, "", monotonic()
        self.connected = True
        self.observe(snapshot)
        self.keep(snapshot)
        if first and self.options.always_record is not None:
            self.start_taping(self.options.always_record, self._ring)
        self.signals.observe(snapshot)
        self.show_gauges()
        if self.past is not None:
            return
        if self.paused is None:
            self.show_table()
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog):
                screen.polled(snapshot)

    def on_poll_failed(self, error: PgtopError) -> None:
        log.warning("poll failed: %s", error)
        # After a PollFailed the session lives; anything else lost it.
        self.connected = isinstance(error, PollFailed)
        # First what is done about it: a narrow screen cuts the end.
        self.trouble = f"{'asking again' if self.connected else 'reconnecting'}: {error}{self._despite_room(error)}"
        self.show_gauges()

    def _despite_room(self, error: PgtopError) -> str:
        """What it means when a login is refused although there seemed to be room."""
        full = isinstance(error, SlotsExhausted) and error.failure is Failure.FULL
        if not full or self.snapshot is None:
            return ""
        free = self.budget_of(self.snapshot).superuser_free
        return (
            f"; {free} were free {self.age_s():.0f} s ago: filled since, or logins that never finish (i)"
            if free
            else ""
        )

    def _tick(self) -> None:
        """Once a second: only an age that grows needs drawing between two polls."""
        if self._stale_s() is not None:
            self.show_gauges()

    def _stale_s(self) -> float | None:
        """Seconds since the last good poll when what is shown can't be relied on."""
        asking = self.poller.asking_since
        slow = asking is not None and monotonic() - asking > max(SLOW_ANSWER_S, self.interval_s)
        return monotonic() - self._good_at if self.trouble or slow else None

    def _next_interval_s(self) -> float:
        return min(self.interval_s, VERIFY_EVERY_S) if self.signals.pending else self.interval_s

    # Showing.

    def budget_of(self, snapshot: Snapshot) -> SlotBudget:
        return SlotBudget.of(snapshot, self.options.warning_percent, self.options.critical_percent)

    def _status(self) -> Status:
        stale_s = self._stale_s()
        return Status(
            interval_s=self.interval_s,
            stretched_s=self.poller.stretched_s,
            paused=self.paused is not None,
            read_only=self.options.policy.read_only,
            stale_s=stale_s,
            trouble=self.trouble or ("" if stale_s is None else "the server has not answered yet"),
            comeback=self.signals.comeback if self.past is None else None,
            back=self._back(),
            recording=self.taping is not None,
        )

    def _back(self) -> Back | None:
        """How far the screen looks back, and what it would show now."""
        if self.past is None or self.snapshot is None:
            return None
        return Back(self.snapshot.taken_at - self.past.at, self.budget_of(self.snapshot))

    def show_gauges(self) -> None:
        snapshot, past = self.told_snapshot, self.past
        if snapshot is None:
            self._gauges.show_waiting(self._status())
            return
        budget = self.budget_of(snapshot)
        largest = largest_of(snapshot, budget)
        rate = self._per_minute(largest) if largest else None
        leaks = self.leaks if past is None else past.moment.leaks
        told = Told(snapshot, budget, self._told_history, (largest, rate), self._status(), leaks)
        self._gauges.show_told(told, ascii_only=self.options.ascii)

    def _show_heading(self) -> None:
        self._heading.show_view(self.view, ascii_only=self.options.ascii)

    def show_table(self) -> None:
        """Whatever changed, a poll or the view: the same way to the screen, and no query."""
        self._show_heading()
        snapshot = self.shown_snapshot
        if snapshot is None:
            return
        frame = Frame(
            snapshot=snapshot,
            budget=self.budget_of(snapshot),
            policy=self.options.policy,
            marks=self.view.marks,
            ascii=self.options.ascii,
            per_minute=self._per_minute,
            tags=self.shown_tags,
            hidden=self.view.hidden,
        )
        self.table.empty = empty.rows(snapshot, self.view)
        self.table.show(build(frame, self.view), frame)
        self.show_keys()

    def _per_minute(self, found: Group) -> float | None:
        return None if found.walsenders else self._told_history.per_minute(rate_key(found))

    @property
    def _told_history(self) -> History:
        """Up to what the screen shows."""
        return (self.observation if self.past is None else self.past.observation).history

    def growth_of(self, app: str) -> float | None:
        return self.observation.growth_of(app)

    def age_s(self) -> float:
        return monotonic() - self._good_at

    def show_key_line(self, bindings: list[Binding], before: Row) -> None:
        self._keys.show_bindings(bindings, before)

    def show_keys(self) -> None:
        self.show_progress()

    def show_progress(self) -> None:
        progress = self.signals.progress
        if progress is None or (progress.total == 1 and progress.phase is not Phase.WAIT):
            self._keys.show_bindings(self.offered())
            return
        done = max(progress.sent, len(progress.outcomes))
        row = plans.progress(progress.phase, done, progress.total, progress.outcomes, ascii_only=self.options.ascii)
        self._keys.show_progress(row)

    # Polling.

    def action_pause(self) -> None:
        if self.past is not None:
            self.tell(f"An earlier moment holds still anyway; {self.key_of('live')} goes back to live")
            return
        self.paused, self.paused_tags = (None if self.paused is not None else self.snapshot), self.tags
        self.show_gauges()
        self.show_table()

    def action_interval(self, step: int) -> None:
        steps = [s for s in INTERVALS_S if (s > self.interval_s if step > 0 else s < self.interval_s)]
        if steps:
            self.interval_s = steps[0] if step > 0 else steps[-1]
            self.show_gauges()
            self.poller.wake()

    def action_refresh(self) -> None:
        self.poller.wake()
