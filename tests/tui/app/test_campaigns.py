"""Plans of many: who is kept, why, cancel then terminate, Esc in the middle, and who came back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.snapshot import ACTIVE, Snapshot
from pgtop_conn.model.source import Action, Outcome, Status
from pgtop_conn.tui.app import MonitorApp
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.session import SessionDetail
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.factories import NOW, OWN_ROLE_OID, make_backend, make_own, make_role, make_snapshot
from tests.support.fake_source import monitor, on_main, screen_text, toasts

#: Fast enough not to be waited for.
FAST = 1000.0
OPEN = ViewState(expanded=frozenset({("web",)}))
RUNNING: dict[str, Any] = {"state": ACTIVE, "wait_event_type": "", "wait_event": ""}


def web(pids: Iterable[int], at: float = NOW, *, new: Iterable[int] = (), **fields: Any) -> Snapshot:
    """Our own session, many of `other`, these of `web`, the higher pid the newer one, and `new` ones after the kill."""
    others = [make_backend(900 + number, app="other") for number in range(60)]
    rows = [make_backend(pid, backend_start=NOW - 1000.0 + pid, **fields) for pid in pids]
    rows += [make_backend(pid, backend_start=at - 1.0) for pid in new]
    return make_snapshot([make_own(), *others, *rows], taken_at=at, roles=[make_role(connection_limit=80)])


def text_of(app: MonitorApp) -> str:
    return "\n".join(screen_text(app))


def confirm(app: MonitorApp) -> Confirm:
    assert isinstance(app.screen, Confirm)
    return app.screen


async def test_plus_and_minus_keep_the_newest_of_a_group() -> None:
    async with monitor(web(range(1, 6)), view=OPEN, per_second=FAST) as (app, source, pilot):
        await pilot.press("home", "j", "x", "plus", "plus", "plus", "minus")
        assert "Terminate 3 sessions, all but the newest 2?" in text_of(app)
        assert "keep the newest: 2" in text_of(app)
        assert [target.key.pid for target in confirm(app).plan.targets] == [1, 2, 3]
        # A kept one leaves: the others stay as they were planned; one that is planned and leaves is struck out.
        await source.tick(pilot, web((2, 3, 4), NOW + 1))
        assert [target.key.pid for target in confirm(app).plan.targets] == [2, 3]
        await pilot.press("minus", "minus", "minus")
        assert [target.key.pid for target in confirm(app).plan.targets] == [2, 3, 4]
        await pilot.press("plus", "ctrl+y")
        await source.sent(pilot, web((2, 3, 4), NOW + 2), 2)
        assert source.signalled_pids == [2, 3]


async def test_one_is_never_all_that_is_kept_from() -> None:
    async with monitor(web((1, 2)), view=OPEN) as (app, _, pilot):
        await pilot.press("home", "j", "x", "plus", "plus", "plus", "plus")
        assert [target.key.pid for target in confirm(app).plan.targets] == [1]


async def test_keeping_is_for_sets_and_not_for_marks_or_one() -> None:
    async with monitor(web((1, 2, 3)), view=OPEN) as (app, _, pilot):
        await pilot.press("home", "j", "j", "x", "plus")
        assert confirm(app).plan.kept == frozenset()
        assert "keep the newest" not in text_of(app)
        await pilot.press("escape", "space", "down", "space", "x", "plus")
        assert confirm(app).plan.kept == frozenset()


async def test_the_count_that_is_typed_is_of_those_that_are_not_kept() -> None:
    async with monitor(web(range(1, 31)), view=OPEN, per_second=FAST) as (app, source, pilot):
        await pilot.press("home", "j", "x", "3", "plus", "plus")
        assert "Type the number of sessions to confirm: 28" in text_of(app)
        await pilot.press("2", "8", "enter")
        await source.sent(pilot, web(range(1, 31), NOW + 1), 28)
        assert source.signalled_pids == list(range(1, 29))


async def test_headroom_is_shown_for_the_tightest_limit() -> None:
    async with monitor(web(range(1, 6)), view=OPEN) as (app, _, pilot):
        await pilot.press("home", "j", "x")
        assert "ordinary roles 31 → 36   app 15 → 20 (role limit 80)" in text_of(app)


async def test_a_reason_goes_with_every_target() -> None:
    async with monitor(web((1, 2)), view=OPEN, per_second=FAST) as (app, source, pilot):
        await pilot.press("home", "j", "x", "r", *"yes", "space", *"nx +", "enter")
        assert isinstance(app.screen, Confirm)
        assert "reason    yes nx +" in text_of(app)
        # Esc leaves the line as it was before it leaves the dialog.
        await pilot.press("r", *"zzz", "escape")
        assert "reason    yes nx +" in text_of(app)
        await pilot.press("ctrl+y")
        await source.sent(pilot, web((1, 2), NOW + 1), 2)
        assert {target.reason for _, targets in source.signals for target in targets} == {"yes nx +"}


async def test_tab_goes_to_the_reason_where_a_name_is_typed() -> None:
    def seen(at: float) -> Snapshot:
        return make_snapshot([make_own(), make_backend(5, app="cron", role="dba", role_oid=OWN_ROLE_OID)], taken_at=at)

    async with monitor(seen(NOW), view=ViewState(expanded=frozenset({("cron",)}))) as (app, source, pilot):
        await pilot.press("down", "x", *"re", "backspace", "backspace", "tab", *"why", "tab", *"dba", "enter")
        assert on_main(app)
        await source.sent(pilot, seen(NOW + 1))
        (target,) = source.signals[0][1]
        assert (target.role, target.reason) == ("dba", "why")


async def test_a_marks_all_that_the_filter_shows_and_the_journal_is_told_the_filter() -> None:
    view = ViewState(filter=parse("app:web"))
    async with monitor(web((1, 2, 3)), view=view, per_second=FAST) as (app, source, pilot):
        await pilot.press("A", "x", "plus")
        assert "all but the newest 1" in text_of(app)
        await pilot.press("ctrl+y")
        await source.sent(pilot, web((1, 2, 3), NOW + 1), 2)
        assert source.signalled_pids == [1, 2]
        assert {target.chosen_by for _, targets in source.signals for target in targets} == {"filter app:web"}


async def test_a_without_a_filter_marks_nobody() -> None:
    async with monitor(web((1, 2, 3))) as (app, _, pilot):
        await pilot.press("A")
        assert not app.main.state.view.marks
        assert "No filter is set" in toasts(app)


async def test_e_cancels_and_then_terminates_what_still_holds_its_slot() -> None:
    async with monitor(web((1, 2), **RUNNING), view=OPEN, per_second=FAST, escalate_after_s=0.05) as (
        app,
        source,
        pilot,
    ):
        await pilot.press("home", "j", "c", "e")
        assert "then terminate after 0.05 s?" in text_of(app)
        assert "ordinary roles 34 → 36" in text_of(app)
        await pilot.press("e")
        assert "stay" in text_of(app)
        assert confirm(app).plan.action is Action.CANCEL
        await pilot.press("e", "ctrl+y")
        await source.sent(pilot, web((1, 2), NOW + 1, **RUNNING), 2)
        await source.sent(pilot, web((1, 2), NOW + 2, query_start=NOW - 61.0), 4)
        assert [action for action, _ in source.signals] == [Action.CANCEL] * 2 + [Action.TERMINATE] * 2
        await source.serve(pilot, web((), NOW + 3), lambda: "cancel, then terminate: 2 gone" in toasts(app))


async def test_e_never_adds_those_whom_a_cancel_leaves_alone() -> None:
    mixed = make_snapshot([*web((1, 2), **RUNNING).backends, make_backend(3), make_backend(4)])
    async with monitor(mixed, view=OPEN) as (app, _, pilot):
        await pilot.press("home", "j", "c", "e")
        assert [target.key.pid for target in confirm(app).plan.targets] == [1, 2]


async def test_e_does_nothing_where_a_terminate_is_asked() -> None:
    async with monitor(web((1, 2)), view=OPEN) as (app, _, pilot):
        await pilot.press("home", "j", "x", "e")
        assert confirm(app).decision.escalate_after_s is None
        assert confirm(app).plan.action is Action.TERMINATE


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_esc_in_the_middle_stops_at_once_and_says_what_was_done(size: tuple[int, int]) -> None:
    pids = range(1, 16)
    async with monitor(web(pids), view=OPEN, size=size, per_second=3.0) as (app, source, pilot):
        await pilot.press("home", "j", "space", "x", "ctrl+y")
        await source.sent(pilot, web(pids, NOW + 1), 3)
        bar = screen_text(app)[-1]
        assert "terminating" in bar
        assert "/15" in bar
        assert "Esc stops" in bar
        # Whatever is open, Esc is for what is being sent.
        await pilot.press("j", "enter")
        assert isinstance(app.screen, SessionDetail)
        await pilot.press("escape")
        assert isinstance(app.screen, SessionDetail)
        sent = len(source.signalled_pids)
        # The next batch of a second's worth waits for a poll, and none comes.
        assert sent == 3
        assert f"terminate stopped: {sent} of 15 signalled, nothing more is sent" in toasts(app)
        await pilot.press("escape")
        assert on_main(app)
        left = pids[sent:]
        await source.serve(pilot, web(left, NOW + 2), lambda: "not sent" in toasts(app))
        assert len(source.signalled_pids) == sent
        assert f"{sent} gone, {15 - sent} not sent (stopped)" in toasts(app)
        assert "x terminate" in screen_text(app)[-1]
        # What was not sent is still marked, as it was.
        assert {key.pid for key in app.main.state.view.marks} == set(left)


async def test_polls_go_on_between_the_signals() -> None:
    pids = range(1, 11)
    async with monitor(web(pids), view=OPEN, per_second=50.0) as (_app, source, pilot):
        await pilot.press("home", "j", "x", "ctrl+y")
        await source.sent(pilot, web(pids, NOW + 1), 1)
        polls = source.polls
        await source.sent(pilot, web(pids, NOW + 1), 10)
        assert source.polls > polls + 2
        assert source.most_asking == 1


async def test_a_second_plan_waits_for_the_first_and_esc_stops_both() -> None:
    async with monitor(web(range(1, 6)), view=OPEN, per_second=20.0) as (app, source, pilot):
        await pilot.press("home", "j", "x", "ctrl+y")
        await source.sent(pilot, web(range(1, 6), NOW + 1), 1)
        await pilot.press("home", "x", "6", "0", "enter")
        assert on_main(app)
        await source.sent(pilot, web(range(1, 6), NOW + 1), 2)
        assert all(pid <= 5 for pid in source.signalled_pids)
        await pilot.press("escape")
        await source.serve(pilot, web((), NOW + 2), lambda: "60 not sent (stopped)" in toasts(app))
        assert all(pid <= 5 for pid in source.signalled_pids)


async def test_refused_ones_are_not_counted_as_ended() -> None:
    async with monitor(web((1, 2, 3)), view=OPEN, per_second=FAST) as (app, source, pilot):
        source.answer = lambda target: Outcome(target, Status.DENIED if target.key.pid == 1 else Status.SIGNALLED)
        await pilot.press("home", "j", "x", "ctrl+y")
        await source.sent(pilot, web((1, 2, 3), NOW + 1), 3)
        await source.serve(pilot, web((1,), NOW + 2), lambda: "2 gone" in toasts(app))
        back = web((1,), NOW + 30, new=(51, 52))
        await source.serve(pilot, back, lambda: "2 of 2 came back" in toasts(app))


async def came_back(app: MonitorApp, source: Any, pilot: Any, role: str = "app") -> None:
    """Three of five sessions that were ended are back."""
    await pilot.press("home", "j", "x", "ctrl+y")
    await source.sent(pilot, web(range(1, 6), NOW + 1, role=role), 5)
    await source.serve(pilot, web((), NOW + 2), lambda: "5 gone" in toasts(app))
    rows = [make_backend(pid, backend_start=NOW + 20.0, role=role) for pid in (51, 52, 53)]
    for seconds in (21, 22, 25):
        others = [make_backend(900 + number, app="other") for number in range(60)]
        back = make_snapshot([make_own(), *others, *rows], taken_at=NOW + seconds)
        await source.tick(pilot, back)
    await source.serve(pilot, back, lambda: "came back" in toasts(app))


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_who_came_back_is_told_and_l_copies_the_limit(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitor(web(range(1, 6)), view=OPEN, size=size, per_second=FAST) as (app, source, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("L")
        assert "Nobody came back" in toasts(app)
        await came_back(app, source, pilot)
        line = screen_text(app)[4]
        assert line.startswith(" 3 of 5 came back in ")
        assert "from 10.2.0.17: the pool refills" in line
        assert "L " in line
        assert "limit the role or stop the deploy; L copies" in toasts(app)
        await pilot.press("L")
        assert copied == ['ALTER ROLE "app" CONNECTION LIMIT 63;']
        # Two minutes later it is no longer news.
        await source.tick(pilot, web((), NOW + 150))
        assert "came back" not in screen_text(app)[4]


async def test_a_name_that_was_replaced_is_never_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(web(range(1, 6), role="a\ufffdb"), view=OPEN, per_second=FAST) as (app, source, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await came_back(app, source, pilot, "a\ufffdb")
        assert "L " not in screen_text(app)[4]
        await pilot.press("L")
        assert copied == []


async def test_one_that_was_ended_is_not_watched() -> None:
    async with monitor(web((1, 2)), view=OPEN) as (app, source, pilot):
        await pilot.press("home", "j", "j", "x", "ctrl+y")
        await source.sent(pilot, web((1, 2), NOW + 1))
        await source.serve(pilot, web((2,), NOW + 2), lambda: "1 gone" in toasts(app))
        await source.tick(pilot, web((2,), NOW + 30, new=(51,)))
        assert app.main.signals.comeback is None


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_another_monitor_on_the_server_is_named(size: tuple[int, int]) -> None:
    alice = make_backend(77, app="pgtop-conn", role="alice", client="10.9.9.9")
    async with monitor(make_snapshot([make_own(), alice, make_backend(1)]), size=size) as (app, source, pilot):
        assert "also here: alice from 10.9.9.9" in screen_text(app)[0]
        await source.tick(pilot, make_snapshot([make_own(), make_backend(1)], taken_at=NOW + 1))
        assert "also here" not in screen_text(app)[0]


async def test_leaving_in_the_middle_sends_no_more() -> None:
    pids = range(1, 16)
    async with monitor(web(pids), view=OPEN, per_second=10.0) as (app, source, pilot):
        await pilot.press("home", "j", "x", "ctrl+y")
        await source.sent(pilot, web(pids, NOW + 1), 1)
        await pilot.press("q")
        sent = len(source.signalled_pids)
    await app.finish()
    # One may have had its turn already.
    assert len(source.signalled_pids) <= sent + 1
    assert source.asking == 0
