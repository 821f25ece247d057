"""What a dialog that decides takes: by the time a key was read, the time it was painted, and the silence between."""

from __future__ import annotations

import pytest

from pgtop_conn.tui.dialogs import decision
from pgtop_conn.tui.dialogs.base import Dialog
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.decision import IGNORED, DecidingDialog, Quiet
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.fake_source import below, monitor, on_main, screen_text

SERVER = make_snapshot([make_own(), *(make_backend(900 + n, app="other") for n in range(9)), make_backend(1)])
#: Dialogs whose answer sends nothing and leads to no signal. A new one belongs here only if that is so.
SENDING_NOTHING = {
    "Blockers",
    "ColumnChooser",
    "Counting",
    "SessionDetail",
    "Diagnosis",
    "Help",
    "HistoryScreen",
    "GoToTime",
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time at which things are shown, for a test to move."""
    now = [100.0]
    monkeypatch.setattr(decision, "monotonic", lambda: now[0])
    monkeypatch.setattr(decision, "QUIET_S", 0.4)
    return now


def test_input_counts_after_a_silence_behind_the_painting(clock: list[float]) -> None:
    quiet = Quiet()
    assert not quiet.takes(99.0)
    assert not quiet.takes(200.0)
    clock[0] = 200.1
    quiet.shown()
    assert not quiet.takes(200.45)
    assert not quiet.takes(200.8)
    assert quiet.takes(201.3)
    # From then on it counts, however fast.
    assert quiet.takes(201.301)


def test_what_was_read_before_the_painting_does_not_count_however_late_it_is_handled(clock: list[float]) -> None:
    quiet = Quiet()
    clock[0] = 107.0
    quiet.shown()
    assert not quiet.takes(100.1)
    assert not quiet.takes(100.2)
    assert quiet.takes(107.5)


def test_every_dialog_decides_or_is_known_to_send_nothing() -> None:
    found = {cls.__name__ for cls in below(Dialog) if cls is not DecidingDialog}
    decided = {cls.__name__ for cls in below(DecidingDialog)}
    assert {Confirm.__name__, FreeSlots.__name__} <= decided
    assert found - decided == SENDING_NOTHING


async def test_a_dialog_that_was_not_painted_takes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has not got it: whoever types answers something else."""
    async with monitor(SERVER) as (app, source, pilot):
        monkeypatch.setattr(app, "when_on_terminal", lambda _call: None)
        await pilot.press("end", "x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("ctrl+y", "e", "r", "tab", "enter")
        assert isinstance(app.screen, Confirm)
        assert IGNORED in "\n".join(screen_text(app))
        await pilot.click("#yes")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        assert on_main(app)
        await source.tick(pilot, make_snapshot([make_own()], taken_at=NOW + 1))
        assert source.signals == []


async def test_a_letter_leaves_nothing_before_its_time_and_escape_does(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(SERVER, keys=(("confirm_no", "n,f2"),)) as (app, _, pilot):
        monkeypatch.setattr(app, "when_on_terminal", lambda _call: None)
        await pilot.press("end", "x", "n")
        assert isinstance(app.screen, Confirm)
        await pilot.press("f2")
        assert on_main(app)


async def test_the_keys_of_the_question_are_those_that_are_mapped() -> None:
    async with monitor(SERVER, keys=(("confirm_yes", "ctrl+t"),)) as (app, _, pilot):
        await pilot.press("end", "x")
        assert "Press Ctrl-T to terminate" in "\n".join(screen_text(app))
