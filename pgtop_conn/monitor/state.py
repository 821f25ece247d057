"""MonitorState: all that the monitor's screen shows, without a screen. It asks nothing, and it draws nothing.

A poll goes in by take(); shown, told, gauges() and frame() come out. A key changes `view`, `paused` or `past`, and
whoever draws asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from pgtop_conn.model.errors import Failure, PgtopError, PollFailed, SlotsExhausted
from pgtop_conn.model.facts import Facts
from pgtop_conn.model.filters.language import NO_TAGS, Filter, Tags
from pgtop_conn.model.findings import Case
from pgtop_conn.model.history.moments import Moment
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.labels.labels import Label, tags_of
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import CRITICAL_PERCENT, WARNING_PERCENT, SlotBudget
from pgtop_conn.model.snapshot import Backend, BackendKey, Snapshot
from pgtop_conn.view.status.server_lines import Back, ScreenStatus
from pgtop_conn.view.status.top_lines import Told, largest_of
from pgtop_conn.view.table.groups import Group, group_counts, rate_key
from pgtop_conn.view.table.lines import Frame, ViewState

#: A question that is open for longer makes the data stale, whatever it ends with.
SLOW_ANSWER_S = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """An earlier moment, with what was known of it then."""

    moment: Moment
    tags: Tags
    observation: Observation

    @property
    def at(self) -> float:
        return self.moment.snapshot.taken_at


@dataclass(frozen=True, slots=True)
class Terms:
    """By what the sessions are judged; thresholds are per cent of what ordinary roles may use, memory is bytes."""

    policy: Policy
    warning_percent: float = WARNING_PERCENT
    critical_percent: float = CRITICAL_PERCENT
    labels: tuple[Label, ...] = ()
    ram: int | None = None
    #: Whether only ASCII is drawn.
    ascii: bool = False


class MonitorState:
    """What the polls brought, and what the user chose to look at."""

    def __init__(self, view: ViewState, terms: Terms, clock: Callable[[], float] = monotonic) -> None:
        #: Seconds that only go forward.
        self.clock = clock
        self.terms = terms
        #: Keys replace it, and nothing else does.
        self.view = view
        #: The newest poll; None before the first.
        self.newest: Snapshot | None = None
        #: The poll that the table holds still; None while it goes on. pause() and resume() set it.
        self.paused: Snapshot | None = None
        #: What the whole screen shows instead of the newest poll. look_back() and leave_past() set it.
        self.past: Past | None = None
        #: What the rows of the newest poll, and of the one that is held still, do not say of themselves.
        self.tags: Tags = NO_TAGS
        self._paused_tags: Tags = NO_TAGS
        self._labelled: Tags = NO_TAGS
        self.leaks: tuple[Leak, ...] = ()
        self.observation = Observation(self.counts)
        #: False from the loss of the session to the next good poll.
        self.connected = True
        #: Why there is no newer poll; "" while polls come.
        self.trouble = ""
        #: When the newest poll came, by the clock.
        self.good_at = clock()

    # What comes in.

    def take(self, snapshot: Snapshot) -> None:
        """Take in a poll: its leaks and tags are found once, here."""
        self.newest, self.trouble, self.good_at = snapshot, "", self.clock()
        self.connected = True
        self._labelled = tags_of(snapshot, self.terms.labels)
        self.observation.add(snapshot, self.budget(snapshot))
        self.leaks = self.observation.leaks(snapshot)
        self.tags = tags_of(snapshot, self.terms.labels, self.leaks)

    def fail(self, error: PgtopError) -> None:
        """Take note of a poll that failed."""
        # After a PollFailed the session lives; anything else lost it.
        self.connected = isinstance(error, PollFailed)
        # First what is done about it: a narrow screen cuts the end.
        self.trouble = f"{'asking again' if self.connected else 'reconnecting'}: {error}{self._despite_room(error)}"

    def _despite_room(self, error: PgtopError) -> str:
        """What it means when a login is refused although there seemed to be room."""
        full = isinstance(error, SlotsExhausted) and error.failure is Failure.FULL
        if not full or self.newest is None:
            return ""
        free = self.budget(self.newest).superuser_free
        return (
            f"; {free} were free {self.age_s():.0f} s ago: filled since, or logins that never finish (i)"
            if free
            else ""
        )

    def ending(self, keys: Iterable[BackendKey]) -> None:
        """Take note of sessions that are about to be signalled."""
        self.observation.signalled(keys)

    # What is looked at.

    @property
    def shown(self) -> Snapshot | None:
        """What the table shows: the newest poll, the one it was paused at, or an earlier moment."""
        return self.paused if self.paused is not None and self.past is None else self.told

    @property
    def told(self) -> Snapshot | None:
        """What the figures above the table and the dialogs tell of: the newest poll, or an earlier moment."""
        return self.newest if self.past is None else self.past.moment.snapshot

    @property
    def shown_tags(self) -> Tags:
        """Those of `shown`."""
        if self.past is not None:
            return self.past.tags
        return self.tags if self.paused is None else self._paused_tags

    @property
    def told_tags(self) -> Tags:
        """Those of `told`."""
        return self.tags if self.past is None else self.past.tags

    def pause(self) -> None:
        """Hold the table still at the newest poll, or let it go on."""
        self.paused, self._paused_tags = (None if self.paused is not None else self.newest), self.tags

    def resume(self) -> None:
        """Let the table go on."""
        self.paused = None

    def choose(self, found: Filter, *, leaks_only: bool | None = None) -> None:
        """Show what this filter leaves; `leaks_only` None leaves that choice as it is."""
        leaks = self.view.leaks_only if leaks_only is None else leaks_only
        self.view = replace(self.view, filter=found, leaks_only=leaks)

    def look_back(self, moment: Moment, observation: Observation) -> Past:
        """Show this moment, with what was known up to it."""
        self.past = Past(moment, tags_of(moment.snapshot, self.terms.labels, moment.leaks), observation)
        return self.past

    def leave_past(self) -> None:
        """Show what is polled again."""
        self.past = None

    # What is told of it.

    def counts(self, backends: Sequence[Backend]) -> Mapping[Hashable, int]:
        """Sessions of every group, for an Observation."""
        return group_counts(backends, self._labelled)

    def budget(self, snapshot: Snapshot) -> SlotBudget:
        """Its slots, judged by the thresholds."""
        return SlotBudget.of(snapshot, self.terms.warning_percent, self.terms.critical_percent)

    def age_s(self) -> float:
        """Seconds since the newest poll came."""
        return self.clock() - self.good_at

    def stale_s(self, asking_since: float | None, interval_s: float) -> float | None:
        """Seconds since the last good poll where what is shown can't be relied on.

        `asking_since` is when the question that is open was asked; None where none is.
        """
        slow = asking_since is not None and self.clock() - asking_since > max(SLOW_ANSWER_S, interval_s)
        return self.age_s() if self.trouble or slow else None

    def status(self, status: ScreenStatus, asking_since: float | None) -> ScreenStatus:
        """The rest of what is told besides a snapshot; the screen says the interval, recording and who came back."""
        stale_s = self.stale_s(asking_since, status.interval_s or 0.0)
        return replace(
            status,
            paused=self.paused is not None,
            read_only=self.terms.policy.read_only,
            stale_s=stale_s,
            trouble=self.trouble or ("" if stale_s is None else "the server has not answered yet"),
            comeback=status.comeback if self.past is None else None,
            back=self._back(),
        )

    def _back(self) -> Back | None:
        """How far the screen looks back, and what it would show now."""
        if self.past is None or self.newest is None:
            return None
        return Back(self.newest.taken_at - self.past.at, self.budget(self.newest))

    @property
    def told_observation(self) -> Observation:
        """What the polls say together, up to what the screen shows."""
        return self.observation if self.past is None else self.past.observation

    @property
    def _told_history(self) -> History:
        return self.told_observation.history

    def per_minute(self, found: Group) -> float | None:
        """By how many sessions a minute the group grows."""
        return None if found.walsenders else self._told_history.per_minute(rate_key(found))

    def growth_of(self, app: str) -> float | None:
        """By how many sessions a minute an application grows now."""
        return self.observation.growth_of(app)

    def gauges(self, status: ScreenStatus) -> Told | None:
        """For the lines above the table; None before the first poll."""
        snapshot = self.told
        if snapshot is None:
            return None
        budget = self.budget(snapshot)
        largest = largest_of(snapshot, budget)
        rate = self.per_minute(largest) if largest else None
        leaks = self.leaks if self.past is None else self.past.moment.leaks
        return Told(snapshot, budget, self._told_history, (largest, rate), status, leaks)

    def frame(self) -> Frame | None:
        """For the lines of the table; None before the first poll."""
        snapshot = self.shown
        if snapshot is None:
            return None
        return Frame(
            snapshot=snapshot,
            budget=self.budget(snapshot),
            policy=self.terms.policy,
            marks=self.view.marks,
            ascii=self.terms.ascii,
            per_minute=self.per_minute,
            tags=self.shown_tags,
            hidden=self.view.hidden,
        )

    def case(self, facts: Facts) -> Case | None:
        """Everything that is known by now; None before the first poll."""
        snapshot = self.told
        if snapshot is None:
            return None
        return Case.of(snapshot, self.budget(snapshot), self.told_observation, facts, self.terms.ram)
