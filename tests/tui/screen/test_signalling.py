"""Signalling: who is asked about, what is planned again, and what is sent when it was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.monitor.signal_queue import SignalQueue
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from pgtop_conn.tui.options import ScreenOptions
from pgtop_conn.tui.screen.live_feed import LOOKING_BACK, READ_ONLY, LiveFeed
from pgtop_conn.tui.screen.marking import Marking
from pgtop_conn.tui.screen.signalling import Signalling
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.data.tapes import ListTape
from tests.support.fake_desk import desk_of
from tests.support.fake_source import FakeSource, until
from tests.support.waits import HANG_S

OPEN = ViewState(expanded=frozenset({("web",), ("web", "idle")}))


def poll(*pids: int, at: float = NOW) -> Snapshot:
    return make_snapshot([make_own(), *(make_backend(pid) for pid in pids)], taken_at=at)


class Stage:
    """Everything around the controller, with a source that answers at once."""

    def __init__(self, snapshot: Snapshot | None, policy: Policy | None = None) -> None:
        self.source = FakeSource()
        self.state, self.desk = desk_of(snapshot, view=OPEN, policy=policy)
        tape = ListTape([poll(1, at=NOW - 4), poll(1, at=NOW - 2)])
        options = ScreenOptions(policy=self.state.terms.policy, ring=tape, interval_s=0.0)
        self.feed = LiveFeed(self.state, self.desk, self.source, options, lambda: 0)
        self.signals = SignalQueue(self.source, self.feed.poller, options.policy, 1000.0, self.desk.tell, lambda: None)
        self.marking = Marking(self.state, self.desk, lambda: self.desk.table.current)
        self.sent: list[tuple[Action, list[tuple[int, Status]]]] = []
        self.signalling = Signalling(self.state, self.desk, self.feed, self.signals, self.marking, 5.0, self._note)

    def _note(self, action: Action, outcomes: Sequence[Outcome]) -> None:
        self.sent.append((action, [(one.target.key.pid, one.status) for one in outcomes]))

    def put(self, pid: int) -> None:
        assert self.state.shown is not None
        assert self.desk.table.put_cursor_on(next(one.key for one in self.state.shown.backends if one.pid == pid))

    @property
    def confirm(self) -> Confirm:
        assert isinstance(self.desk.dialog, Confirm)
        return self.desk.dialog

    @property
    def asked_about(self) -> list[int]:
        return [target.key.pid for target in self.confirm.plan.targets]

    def yes(self) -> None:
        """Answer with the plan that was asked about."""
        self.desk.answer(self.confirm.decision)

    async def served(self, *answers: Snapshot) -> None:
        """Polls with these answers, the last one for as long as it takes, until the signalling is over."""
        self.feed.begin()
        waiting = list(answers)
        async with asyncio.timeout(HANG_S):
            while not self.desk.tasks["signal"].done():
                if self.source.asking:
                    self.source.give(waiting.pop(0) if len(waiting) > 1 else waiting[0])
                await asyncio.sleep(0.001)
        await self.feed.poller.stop(0.0)


async def test_a_session_that_is_confirmed_is_signalled_and_noted() -> None:
    stage = Stage(poll(1, 2))
    stage.put(1)
    stage.signalling.ask(Action.TERMINATE)
    assert stage.asked_about == [1]
    stage.yes()
    await stage.served(poll(1, 2, at=NOW + 1), poll(2, at=NOW + 2))
    assert stage.source.signalled_pids == [1]
    assert stage.sent == [(Action.TERMINATE, [(1, Status.GONE)])]


async def test_marks_go_with_the_plan_and_come_back_where_nothing_was_sent() -> None:
    stage = Stage(poll(1, 2))
    for pid in (1, 2):
        stage.put(pid)
        stage.marking.mark()
    stage.signalling.ask(Action.TERMINATE)
    assert stage.asked_about == [1, 2]
    stage.yes()
    await until(lambda: not stage.state.view.marks)
    stage.signals.stop()
    await stage.served(poll(1, 2, at=NOW + 1))
    assert {key.pid for key in stage.state.view.marks} == {1, 2}
    assert stage.source.signalled_pids == []


async def test_what_left_or_changed_since_the_question_is_dropped() -> None:
    stage = Stage(poll(1, 2, 3))
    assert stage.desk.table.put_cursor_on(("web",))
    stage.signalling.ask(Action.TERMINATE)
    decision = stage.confirm.decision
    changed = make_snapshot(
        [make_own(), make_backend(1), make_backend(2, state=ACTIVE, query_start=NOW + 1)], taken_at=NOW + 2
    )
    stage.desk.polled(changed)
    stage.desk.answer(decision)
    await stage.served(changed, make_snapshot([make_own()], taken_at=NOW + 4))
    assert stage.source.signalled_pids == [1]


async def test_nobody_is_left_to_signal() -> None:
    stage = Stage(poll(1))
    stage.put(1)
    stage.signalling.ask(Action.TERMINATE)
    decision = stage.confirm.decision
    stage.desk.polled(poll(2, at=NOW + 2))
    stage.desk.answer(decision)
    assert stage.desk.told[-1] == ("terminate: nothing left to signal", "warning")
    assert "signal" not in stage.desk.tasks


async def test_a_connection_that_is_lost_sends_nothing() -> None:
    stage = Stage(poll(1))
    stage.put(1)
    stage.signalling.ask(Action.TERMINATE)
    stage.state.fail(SourceLost("server went away"))
    stage.yes()
    assert stage.desk.told == [("The connection is lost: nothing was sent", "error")]
    assert "signal" not in stage.desk.tasks


async def test_no_sends_nothing() -> None:
    stage = Stage(poll(1))
    stage.put(1)
    stage.signalling.ask(Action.TERMINATE)
    stage.desk.answer(None)
    assert "signal" not in stage.desk.tasks


@pytest.mark.parametrize("looks_back", [False, True])
async def test_where_nothing_may_be_sent_no_question_is_asked(looks_back: bool) -> None:
    stage = Stage(poll(1), Policy(read_only=not looks_back))
    if looks_back:
        stage.feed.go_to(NOW - 4)
    target = Target.of(poll(1).backends[1])
    asks: tuple[Callable[[], None], ...] = (
        lambda: stage.signalling.ask(Action.CANCEL),
        lambda: stage.signalling.ask_about(Action.TERMINATE, target),
        stage.signalling.free,
    )
    for ask in asks:
        ask()
        text, severity = stage.desk.told.pop()
        assert severity == "warning"
        assert text == (f"{LOOKING_BACK}; <live> goes back to live" if looks_back else READ_ONLY)
    assert stage.desk.dialogs == 0
    stage.desk.end("relive")


async def test_one_session_is_asked_about_whatever_is_marked() -> None:
    stage = Stage(poll(1, 2))
    stage.put(2)
    stage.marking.mark()
    stage.signalling.ask_about(Action.TERMINATE, Target.of(poll(1).backends[1]))
    assert stage.asked_about == [1]


async def test_before_the_first_poll_there_is_nobody_to_ask_about() -> None:
    stage = Stage(None)
    stage.signalling.ask(Action.TERMINATE)
    stage.signalling.free()
    assert stage.desk.dialogs == 0


async def test_picks_of_free_slots_are_asked_about_as_a_choice_of_many() -> None:
    stage = Stage(poll(1, 2))
    stage.signalling.free()
    assert isinstance(stage.desk.dialog, FreeSlots)
    stage.desk.answer((Target.of(poll(1).backends[1], "free 1 slot"),))
    assert stage.asked_about == [1]
    assert stage.confirm.plan.bulk
    stage.desk.answer(None)
    stage.signalling.free()
    stage.desk.answer(None)
    assert stage.desk.dialogs == 0


async def test_without_a_comeback_there_is_no_limit_to_copy() -> None:
    stage = Stage(poll(1))
    stage.signalling.copy_limit()
    assert stage.desk.told == [("Nobody came back after a kill: there is nothing to limit", "warning")]
    assert stage.desk.copied == []
