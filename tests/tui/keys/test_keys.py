"""Keys: every one has an id and words, they can be others, and what can't be is said in a line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.app import App
from textual.binding import Binding
from textual.widget import Widget

from pgtop_conn.cli import main
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.snapshot import ACTIVE
from pgtop_conn.tui.dialogs.confirm import Confirm
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.tui.dialogs.free_slots import FreeSlots
from pgtop_conn.tui.dialogs.help import PAIRS, Help, clause
from pgtop_conn.tui.keys import monitor as keys
from pgtop_conn.tui.keys import replay
from pgtop_conn.tui.keys.application import APPLICATION
from pgtop_conn.tui.keys.names import display, keymap_of, normal, split, unshifted
from pgtop_conn.tui.keys.remapping import DESTRUCTIVE, SCOPES, problems
from pgtop_conn.view.table.lines import ViewState
from tests.support.data.crowds import OPEN, sessions
from tests.support.data.factories import make_backend, make_own, make_snapshot, make_walsender
from tests.support.fake_source import below, monitor, on_main, screen_text, toasts, until
from tests.support.stores import LayoutLog


def every_binding() -> list[tuple[str, Binding]]:
    return [(place, binding) for place, bindings in SCOPES.items() for binding in bindings]


# What is true of all of them.


def test_every_binding_of_every_place_has_an_id_and_a_tooltip() -> None:
    for place, binding in every_binding():
        assert binding.id, (place, binding)
        assert binding.tooltip.endswith("."), (place, binding)


def test_every_place_is_known() -> None:
    """Whatever binds a key is in SCOPES with exactly these bindings, but for the keys of a recording."""
    known = [[binding.id for binding in bindings if binding not in APPLICATION] for bindings in SCOPES.values()]
    places = [cls for cls in (*below(Widget), *below(App)) if vars(cls).get("BINDINGS") and cls.__name__ != "LineView"]
    assert len(places) >= 12
    for cls in places:
        bound = [binding.id for binding in vars(cls)["BINDINGS"] if binding not in replay.MOVING]
        assert bound in (*known, [one.id for one in APPLICATION]), cls


def test_keys_are_judged_without_loading_a_screen() -> None:
    code = "import sys, pgtop_conn.tui.keys.remapping as one; assert not one.problems({'cancel': 'X'})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not {name for name in loaded if name.startswith(("textual.app", "textual.screen", "textual.widget"))}
    ours = {name for name in loaded if name.startswith("pgtop_conn.tui.")}
    assert all(name.startswith("pgtop_conn.tui.keys") for name in ours), ours


def test_clauses_of_the_help_fit_its_short_list() -> None:
    for binding in keys.BINDINGS:
        assert len(clause(binding)) <= 27, binding
        assert clause(binding)


def test_destructive_keys_are_never_the_shifted_form_of_a_key_that_moves() -> None:
    moving = {key for binding in keys.BINDINGS if binding.group is keys.MOVE for key in split(binding.key)}
    destructive = [key for binding in keys.BINDINGS if binding.id in DESTRUCTIVE for key in split(binding.key)]
    assert destructive
    assert not {unshifted(key) for key in destructive} & moving
    assert not set(destructive) & moving


def test_what_is_there_from_the_start_has_no_problem() -> None:
    assert problems({}) == []
    assert problems({binding.id: binding.key for _, binding in every_binding() if binding.id == "filter"}) == []


# How they are written.


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("?", "question_mark"),
        ("/", "slash"),
        ("+", "plus"),
        ("-", "minus"),
        ("X", "X"),
        ("shift+x", "X"),
        ("Ctrl-P", "ctrl+p"),
        ("ctrl+-", "ctrl+minus"),
        ("F9", "f9"),
        ("Esc", "escape"),
        ("PgUp", "pageup"),
        ("ctrl+i", "tab"),
        ("ctrl+[", "escape"),
        (" ", ""),
        ("space", "space"),
    ],
)
def test_keys_may_be_written_as_people_do(written: str, key: str) -> None:
    assert normal(written) == key


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("x,f9", "x F9"),
        ("slash,f3,f4", "/ F3 F4"),
        ("question_mark", "?"),
        ("shift+tab", "Shift-Tab"),
        ("ctrl+p", "Ctrl-P"),
        ("pagedown", "PgDn"),
        ("greater_than_sign", ">"),
        ("minus", "-"),
        ("tab", "Tab"),
    ],
)
def test_keys_are_shown_as_people_know_them(key: str, shown: str) -> None:
    assert display(key) == shown


# What can't be.


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"terminat": "z"}, "'terminat'; did you mean terminate?"),
        ({"terminate": "f99"}, "terminate: there is no key 'f99'"),
        ({"terminate": "pagdown"}, "did you mean pagedown?"),
        ({"terminate": ""}, "terminate needs a key"),
        ({"terminate": "c"}, "c is cancel and terminate; give one of them another key"),
        ({"terminate": "J"}, "terminate on J is the shifted form of j, which moves"),
        ({"free": "shift+down"}, "free on Shift-Down is the shifted form of Down, which moves"),
        ({"terminate": "ctrl+y"}, "pressed twice, nobody would be asked"),
        ({"confirm_yes": "y"}, "y is copy_query and confirm_yes; the key that sends signals may mean nothing else"),
        ({"confirm_yes": "enter"}, "Enter is open and confirm_yes; the key that sends signals may mean nothing else"),
        ({"palette": "ctrl+y"}, "Ctrl-Y is palette and confirm_yes"),
        ({"quit_everywhere": "z"}, "quit_everywhere needs a key that types nothing"),
        ({"palette": "ctrl+q"}, "Ctrl-Q is palette and quit_everywhere"),
    ],
)
def test_what_can_not_be_is_said(chosen: dict[str, str], words: str) -> None:
    found = problems(chosen)
    assert any(words in line for line in found), found
    assert all("\n" not in line for line in found)


def test_two_that_change_places_do_not_clash() -> None:
    assert problems({"cancel": "x", "terminate": "c"}) == []


# On the screen.


@pytest.mark.parametrize(
    ("key", "there"), [("f1", Help), ("f9", Confirm), ("x", Confirm), ("f", FreeSlots), ("question_mark", Help)]
)
async def test_keys_and_those_of_htop_open_the_same(key: str, there: type) -> None:
    async with monitor(sessions(1, 2), view=OPEN) as (app, _, pilot):
        await pilot.press("down", key)
        assert isinstance(app.screen, there)


@pytest.mark.parametrize("key", ["f3", "f4"])
async def test_the_filter_opens_as_in_htop(key: str) -> None:
    async with monitor(sessions(1)) as (app, _, pilot):
        await pilot.press(key)
        assert app.main.filter_bar.display


async def test_grouping_sorting_and_leaving_are_as_in_htop() -> None:
    async with monitor(sessions(1)) as (app, _, pilot):
        await pilot.press("f5", "f6")
        assert app.main.state.view.grouping != "app"
        assert app.main.state.view.sort != "count"
        await pilot.press("f10")
        await pilot.pause()
    assert app.return_value == 0


async def test_a_remapped_key_does_it_and_the_old_one_does_not() -> None:
    async with monitor(sessions(1, 2), view=OPEN, keys=(("terminate", "K,ctrl+t"), ("up", "up"))) as (app, _, pilot):
        await pilot.press("down", "x", "f9")
        assert on_main(app)
        for key in ("K", "ctrl+t"):
            await pilot.press(key)
            assert isinstance(app.screen, Confirm)
            await pilot.press("escape")
            assert on_main(app)


async def test_two_keys_that_changed_places_do_each_other_s_work() -> None:
    swapped = (("cancel", "x"), ("terminate", "c"))
    async with monitor(sessions(1, 2, state=ACTIVE), view=OPEN, keys=swapped) as (app, _, pilot):
        await pilot.press("down", "down", "c")
        assert isinstance(app.screen, Confirm)
        assert app.screen.plan.action.value == "terminate"
        await pilot.press("escape", "x")
        assert isinstance(app.screen, Confirm)
        assert app.screen.plan.action.value == "cancel"


async def test_keys_of_dialogs_can_be_others_too() -> None:
    async with monitor(sessions(1, 2), view=OPEN, keys=(("confirm_yes", "J"),)) as (app, source, pilot):
        await pilot.press("down", "x", "ctrl+y")
        assert isinstance(app.screen, Confirm)
        await pilot.press("J")
        await source.sent(pilot, sessions(1, 2))
        assert source.signalled_pids == [1]


async def test_remapped_keys_are_in_the_help_the_key_line_and_the_messages() -> None:
    mine = (("terminate", "ctrl+t"), ("filter", "ctrl+f"), ("help", "h"))
    async with monitor(sessions(1, 2), size=(120, 100), keys=mine) as (app, _, pilot):
        line = screen_text(app)[-1]
        assert "Ctrl-T terminate" in line
        assert " h help" in line
        await pilot.press("A")
        assert "Ctrl-F sets one" in toasts(app)
        await pilot.press("h")
        text = "\n".join(screen_text(app))
        assert "Ctrl-T   End sessions" in text
        assert "x F9" not in text
        await pilot.press("enter")
        text = "\n".join(screen_text(app))
        assert "Ctrl-T" in text
        assert "pg_terminate_backend" in text


# The help.


@pytest.mark.parametrize("read_only", [False, True])
async def test_the_short_help_fits_on_a_small_screen(read_only: bool) -> None:
    async with monitor(sessions(1), size=(80, 24), policy=Policy(read_only=read_only)) as (app, _, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert app.screen.body.line_count() <= app.screen.body.page
        text = "\n".join(screen_text(app))
        seconds = {*(second for second, _ in PAIRS.values()), *(f"preset_{number}" for number in keys.PRESETS[1:-1])}
        for binding in keys.available(read_only):
            if binding.id not in seconds:
                assert display(binding.key, 1) in text
        assert "Leave" in text
        assert "…" not in text.split("Esc close")[0].split("Keys", 1)[1]
        assert ("--read-only" in text) is read_only


# The key line.


async def test_the_key_line_tells_what_makes_sense_for_a_group_and_a_session() -> None:
    both = make_snapshot([make_own(), make_backend(1), make_backend(2, state=ACTIVE)])
    view = ViewState(expanded=frozenset({("web",), ("web", "idle"), ("web", "active")}))
    async with monitor(both, size=(160, 36), view=view) as (app, _, pilot):
        assert "x terminate group" in screen_text(app)[-1]
        assert "c cancel group" in screen_text(app)[-1]
        assert "Enter close" in screen_text(app)[-1]
        seen = {}
        for _step in range(8):
            await pilot.press("down")
            await pilot.pause()
            current = app.main.table.current
            if current is not None and current.backend is not None:
                seen[current.backend.pid] = screen_text(app)[-1]
        assert "cancel" not in seen[1]
        assert "x terminate " in seen[1]
        assert "c cancel query" in seen[2]
        assert "Enter detail" in seen[2]


async def test_the_key_line_follows_marks_a_filter_and_a_pause() -> None:
    async with monitor(sessions(1, 2), size=(200, 36), view=OPEN) as (app, _, pilot):
        await pilot.press("space")
        assert "x terminate 2 marked" in screen_text(app)[-1]
        assert "u clear marks" in screen_text(app)[-1]
        await pilot.press("u", "slash", *"pid:1", "enter")
        await pilot.pause()
        assert "Esc show all" in screen_text(app)[-1]
        await pilot.press("p")
        await until(lambda: "p go on" in screen_text(app)[-1])


async def test_the_key_line_offers_no_keys_that_would_be_typed() -> None:
    async with monitor(sessions(1, 2), size=(120, 36), view=OPEN) as (app, _, pilot):
        await pilot.press("slash")
        await pilot.pause()
        assert screen_text(app)[-1].split() == ["Enter", "apply", "Esc", "leave"]
        await pilot.press("escape")
        await until(lambda: "q quit" in screen_text(app)[-1])


async def test_the_key_line_offers_nothing_that_is_refused() -> None:
    async with monitor(make_snapshot([make_own(), make_walsender(7)]), size=(160, 36)) as (app, _, pilot):
        await pilot.press("G", "right", "down")
        await pilot.pause()
        assert app.main.table.current is not None
        assert app.main.table.current.backend is not None
        assert "terminate" not in screen_text(app)[-1]


async def test_read_only_offers_no_signal() -> None:
    async with monitor(sessions(1), policy=Policy(read_only=True), size=(160, 36)) as (app, _, _pilot):
        line = screen_text(app)[-1]
        assert "terminate" not in line
        assert "free slots" not in line
        assert "Enter expand" in line


def test_keymap_is_what_textual_takes() -> None:
    assert keymap_of([("terminate", "F9, x"), ("help", "?")]) == {"terminate": "f9,x", "help": "question_mark"}


def test_what_can_not_be_ends_the_start_before_anybody_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "config.toml"
    written.write_text('[keys]\nterminate = ["c", "f9"]\n')
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["--config", str(written), "host=/nowhere"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "c is cancel and terminate; give one of them another key" in line


async def test_number_keys_set_the_filters_of_the_configuration_and_clear_them() -> None:
    async with monitor(sessions(1, 2, 3), presets=(("2", "pid:2"),)) as (app, _, pilot):
        await pilot.press("2")
        assert app.main.state.view.filter.text == "pid:2"
        assert "Filter pid:2" in toasts(app)
        await pilot.press("2")
        assert app.main.state.view.filter.text == ""
        await pilot.press("3")
        assert "[presets]" in toasts(app)


async def test_a_grouping_and_an_order_are_kept_for_the_next_start() -> None:
    layout = LayoutLog()
    async with monitor(sessions(1), layout=layout) as (app, _, pilot):
        await pilot.press("tab", "s", "S")
        assert layout.groupings == [app.main.state.view.grouping]
        assert layout.sorts == [(app.main.state.view.sort, False), (app.main.state.view.sort, True)]


async def test_a_key_that_leads_out_of_the_diagnosis_follows_the_remapped_one() -> None:
    async with monitor(sessions(1), keys=(("leaks", "z"), ("diagnose", "l"))) as (app, _, pilot):
        await pilot.press("l")
        assert isinstance(app.screen, Diagnosis)
        await pilot.press("l")
        await until(lambda: "looks leaked" in toasts(app))
        assert on_main(app)


def test_every_problem_is_said_at_once() -> None:
    found = problems({"helq": "h", "terminate": "c", "free": "f99"})
    assert len(found) == 3
