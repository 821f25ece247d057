"""The benchmarks' own parts: specs, emulation, counting, goals and tables; and the harness on a small program."""

from __future__ import annotations

import doctest
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import against, figures, goals, load, measuring, report, run, tables
from benchmarks.figures import OURS, PG_ACTIVITY, PGCENTER, PSQL_ALL, PYTHON, SNAPSHOT, Figure, Figures, Record
from benchmarks.goals import GOALS, Goal, Verdict, judge, judge_all
from benchmarks.harness import phases
from benchmarks.harness.emulator import Emulator
from benchmarks.harness.phases import (
    Conditions,
    NoData,
    Press,
    answers,
    counted_since,
    growth,
    hold,
    keys,
    startup,
    steady,
)
from benchmarks.harness.processes import process_tree, rss_mb, spent, usage_of
from benchmarks.harness.spec import BadSpec, KeySet, load_spec, make_spec
from benchmarks.harness.terminal import Run, Size, clean_environment
from benchmarks.revisions import UnknownRevision, install_revision
from tests.support.servers import is_alive

#: Draws a row of data, one more every 0.5 s, and a line for each key.
SHELL = """
stty -echo -icanon min 1 2>/dev/null
echo 'pid 4711 ready'
while sleep 0.5; do echo "tick $((n = n + 1))"; done &
ticking=$!
trap 'kill $ticking' EXIT
while key=$(dd bs=1 count=1 2>/dev/null); do [ "$key" = q ] && exit; echo "key $key"; done
"""
SMALL = {
    "command": ["/bin/sh", "-c", SHELL],
    "name": "shell",
    "data_regex": r"^pid \d+",
    "refresh_s": 0.5,
    "key_refresh_s": 0.5,
}
BRIEFLY = Conditions(Size(40, 10), settle_s=0.0, window_s=1.2, presses=2)


def record(program: str, phase: str, sessions: int = 2000, **numbers: float) -> Record:
    return Record(program, phase, sessions, numbers)


@pytest.mark.parametrize("module", [phases, tables], ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_every_spec_can_be_read_and_has_a_place() -> None:
    names = {path.stem for path in measuring.SPECS.glob("*.toml")}
    variables = dict.fromkeys(("pgtop-conn", "pg_activity", "port", "specs", "python"), "x")
    specs = {name: load_spec(measuring.SPECS / f"{name}.toml", variables) for name in names}
    assert names == {*measuring.PROGRAMS, "synthetic", "growth", "growth-real"}
    known = {figures.OURS_MEMORY, figures.OURS_MEMORY_REAL, figures.OURS_SYNTHETIC, *tables.SIDE_BY_SIDE}
    assert {spec.name for spec in specs.values()} == known
    assert {one.name for spec in specs.values() for one in spec.keys} <= set(tables.KEYS)


def test_a_spec_fills_in_variables_and_the_interval() -> None:
    spec = make_spec({**SMALL, "command": ["top", "{port}", "{refresh}"]}, {"port": "5433"})
    assert spec.argv(2.0) == ["top", "5433", "2"]
    assert spec.argv(0.25) == ["top", "5433", "0.25"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"colour": 1}, "colour"), ({"keys": [{"name": "move"}]}, "send"), ({"hold": {"key": "x"}}, "key")],
)
def test_a_spec_that_says_something_unknown_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(BadSpec, match=said):
        make_spec(SMALL | wrong, {})


def test_a_spec_names_its_file_when_it_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name =", encoding="utf-8")
    with pytest.raises(BadSpec, match=r"broken\.toml"):
        load_spec(path, {})


def test_the_emulator_puts_cut_sequences_together_and_passes_over_what_it_does_not_know() -> None:
    emulator = Emulator(20, 3)
    for piece in (b"\x1b[?2026", b"$p\x1b[>4;1mone\x1b[2", b";1Htwo\x1b[<1u", b"\x1b]0;title\x07!"):
        emulator.feed(piece)
    assert [line.rstrip() for line in emulator.text().splitlines()] == ["one", "two!", ""]


def test_the_emulator_sees_a_change_of_colour_alone_and_where_it_is() -> None:
    emulator = Emulator(20, 3)
    emulator.feed(b"one\r\ntwo")
    first, second = emulator.state(0, 1), emulator.state(1, 2)
    emulator.feed(b"\x1b[1;1H\x1b[31mone")
    assert emulator.state(0, 1) != first
    assert emulator.state(1, 2) == second


def test_an_answer_ends_with_the_last_byte_of_the_burst_that_changes_the_area() -> None:
    keys_of = KeySet("move", ("j",), (1, 3))
    chunks = [
        (0.0, b"head\r\nrow"),
        (1.00, b"\x1b[1;1HHEAD"),
        (1.01, b"\x1b[2;1HROW"),
        (1.03, b"\x1b[H"),
        (1.9, b"\x1b[Hx"),
    ]
    seen = answers(chunks, [Press(keys_of, 0.99, 1, 5)], Size(20, 3))
    assert seen["move_p50_ms"] == pytest.approx(40)
    assert seen["move_bytes"] == sum(len(data) for _, data in chunks[1:4])
    assert answers(chunks, [Press(keys_of, 1.89, 4, 5)], Size(20, 3)) == {}


def test_statements_of_every_refresh_are_told_from_those_now_and_then() -> None:
    before = {"temp_files": 3.0, "statement:1": 10.0}
    after = {"temp_files": 3.0, "statement:1": 15.0, "statement:2": 1.0}
    assert counted_since(before, after, 5) == {"temp_files": 0.0, "statements": 1.2, "statements_each_tick": 1}


def test_a_goal_is_judged_by_the_ratio_of_medians_with_the_spread_of_neighbours() -> None:
    goal = Goal(2, "CPU", Figure(OURS, "steady", "cpu_ms"), 0.2, (Figure(PG_ACTIVITY, "steady", "cpu_ms"),), "ms")
    ours = [record(OURS, "steady", cpu_ms=value) for value in (10, 20, 30)]
    theirs = [record(PG_ACTIVITY, "steady", cpu_ms=value) for value in (100, 100, 200)]
    judged = judge(goal, Figures([*ours, *theirs]))
    assert (judged.verdict, judged.compared, judged.least, judged.most) == (Verdict.MET, 0.2, 0.1, 0.2)
    slower = [record(OURS, "steady", cpu_ms=40), *ours[1:]]
    assert judge(goal, Figures([*slower, *theirs])).verdict is Verdict.MISSED
    assert judge(goal, Figures(ours)).verdict is Verdict.NOT_MEASURED
    assert judge(goal, Figures([record(OURS, "steady", 50, cpu_ms=1), *theirs])).verdict is Verdict.NOT_MEASURED


def test_a_goal_may_be_a_number_of_its_own_or_beside_a_sum() -> None:
    files = Goal(4, "files", Figure(OURS, "steady", "temp_files"), 0)
    assert judge(files, Figures([record(OURS, "steady", temp_files=0)])).verdict is Verdict.MET
    assert judge(files, Figures([record(OURS, "steady", temp_files=1)])).verdict is Verdict.MISSED
    times = {SNAPSHOT: 290.0, PSQL_ALL: 180.0, PYTHON: 20.0}
    judged = judge(GOALS[-1], Figures([record(name, "snapshot", wall_ms=value) for name, value in times.items()]))
    assert (judged.verdict, judged.compared) == (Verdict.MET, 1.45)


def test_pgcenter_is_estimated_from_pg_activity_only_where_it_was_not_measured() -> None:
    wanted = Figure(PGCENTER, "steady", "cpu_ms")
    other = record(PG_ACTIVITY, "steady", cpu_ms=103)
    assert Figures([other]).values(wanted) == [pytest.approx(36)]
    assert Figures([other, record(PGCENTER, "steady", cpu_ms=50)]).values(wanted) == [50]
    assert (
        Figures([record(PG_ACTIVITY, "steady", 50, cpu_ms=103)]).values(Figure(PGCENTER, "steady", "cpu_ms", 50)) == []
    )


def test_every_goal_names_a_figure_that_something_measures() -> None:
    phases_measured = {"startup", "command", "steady", "synthetic", "keys", "hold", "idle", "memory", "snapshot"}
    assert {figure.phase for goal in GOALS for figure in (goal.ours, *goal.beside)} <= phases_measured
    assert {goal.number for goal in GOALS} == set(range(1, 8))


def test_results_show_goals_and_figures_and_leave_out_what_was_not_measured() -> None:
    measured = [
        record(OURS, "steady", cpu_ms=50.0, bytes=1234.0),
        record(PG_ACTIVITY, "steady", cpu_ms=100.0, bytes=8000.0),
        record(PG_ACTIVITY, "steady", cpu_ms=104.0, bytes=8000.0),
    ]
    measured.append(record(OURS, "steady", cpu_ms=50.0))
    text = report.results(Figures(measured), {"kernel": "Linux"}, ["pg_top shows no data"], "## By hand\n")
    assert "| 2. client CPU, of pg_activity's | 50 ms | 102 ms | 0.490 [0.481-0.500] | 0.200× | **missed** |" in text
    assert "| 3. bytes, of pg_activity's | 1,234 | 8,000 | 0.154 | 0.250× | met |" in text
    assert "| pg_activity | – | 102 [100-104] | 8,000 |" in text
    assert "- kernel: Linux\n" in text
    assert "- passed over: pg_top shows no data\n" in text
    assert "held down" not in text
    assert text.endswith("## By hand\n")
    assert tables.CARRIED in text


def test_bars_are_drawn_to_one_scale() -> None:
    drawn = tables.bars({"a": 10.0, "bb": 5.0})
    assert [line.count("█") for line in drawn if "█" in line] == [tables.BAR_CELLS, tables.BAR_CELLS // 2]
    assert tables.bars({}) == []


@pytest.mark.parametrize("sessions", [50, 500, 2000])
def test_the_load_holds_as_many_sessions_as_it_is_told(sessions: int) -> None:
    mix = load.Mix.of(sessions, still=False)
    assert mix.idle + mix.in_transaction + mix.sleeping + mix.short + mix.blocked == sessions
    assert 0 < mix.holding_locks < mix.in_transaction
    assert load.Mix.of(sessions, still=True) == load.Mix(sessions, 0, 0, 0, 0, 0)


def test_a_program_gets_a_home_of_its_own_and_nothing_of_the_users_settings(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "PGHOST": "db",
        "XDG_STATE_HOME": "/x",
        "NO_COLOR": "1",
        "LC_TIME": "C",
    }
    made = clean_environment(tmp_path, given)
    assert made["HOME"] == str(tmp_path)
    assert made["PATH"] == "/bin"
    assert not {"PGHOST", "XDG_STATE_HOME", "NO_COLOR", "LC_TIME"} & set(made)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the figures are read from /proc")


@linux
def test_the_harness_measures_a_small_program_and_leaves_nothing_of_it() -> None:
    spec = make_spec({**SMALL, "hold": {"send": "h", "count": 3}}, {})
    with_keys = make_spec({**SMALL, "keys": [{"name": "move", "send": ["j", "k"], "before": ["b"]}]}, {})
    assert startup(spec, BRIEFLY)["data_s"] > 0
    seen = steady(spec, BRIEFLY)
    assert {"cpu_ms", "bytes", "server_ms", "rss_mb", "refreshes"} <= set(seen)
    assert seen["bytes"] > 0
    assert seen["rss_mb"] > 0
    assert keys(with_keys, BRIEFLY)["move_seen"] == 2
    assert hold(spec, BRIEFLY)["hold_bytes"] > 0
    assert growth(spec, BRIEFLY, refreshes=3, first=0, every=1, polls=None)["grown_refreshes"] >= 3


@linux
def test_a_run_ends_what_it_started_also_when_it_is_interrupted() -> None:
    def interrupted() -> list[int]:
        with Run(make_spec(SMALL, {}), 0.2, Size(40, 10)) as run:
            phases.wait_for_data(run)
            started.extend(process_tree(run.pid))
            raise KeyboardInterrupt

    started: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started
    assert not [pid for pid in started[:1] if is_alive(pid)]


@linux
def test_a_program_without_data_is_said_with_its_screen() -> None:
    spec = make_spec({**SMALL, "command": ["echo", "no such server"], "startup_timeout_s": 5}, {})
    with pytest.raises(NoData, match="no such server"):
        startup(spec, BRIEFLY)
    with pytest.raises(NoData, match="no-such-program"):
        startup(make_spec({**SMALL, "command": ["no-such-program"]}, {}), BRIEFLY)


@linux
def test_the_counters_of_a_process_grow_with_its_work() -> None:
    before = usage_of(os.getpid(), None)
    sum(range(1_000_000))
    used = spent(before, usage_of(os.getpid(), None))
    assert used["cpu_ms"] > 0
    assert used["server_ms"] == 0
    assert rss_mb([os.getpid()]) > 1


def test_goals_of_nothing_are_not_measured() -> None:
    assert {one.verdict for one in judge_all(Figures([]))} == {Verdict.NOT_MEASURED}


@pytest.mark.parametrize(
    "options",
    [["--only", "steady,speed"], ["--sessions", "5"], ["--sessions", "50,many"], ["--sessions", "3000"]],
    ids=" ".join,
)
def test_options_that_cannot_be_are_refused_before_anything_is_installed(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(options)
    assert options[0] in capsys.readouterr().err


def test_memory_is_judged_and_shown_for_the_sessions_it_was_measured_on() -> None:
    measured = [record(figures.OURS_MEMORY, "memory", goals.MEMORY_SESSIONS, growth_percent=1.5, grown_refreshes=2000)]
    judged = [one for one in judge_all(Figures(measured)) if one.verdict is not Verdict.NOT_MEASURED]
    assert [(one.goal.number, one.verdict) for one in judged] == [(6, Verdict.MET)]
    assert "| pgtop-conn, memory, 500 | 2,000 | – | – | 1.50 |" in report.results(Figures(measured), {}, [], "")


# Two revisions.


def test_a_ratio_is_of_the_medians_of_both_revisions() -> None:
    figures_of = {"before": (2.0, 4.0, 100.0), "now": (3.0, 1.0, 5.0)}
    records = [record(name, "steady", cpu_ms=value) for name, values in figures_of.items() for value in values]
    assert against.ratio(records, "steady", "cpu_ms") == (3.0, 0.75, 3)
    assert against.ratio(records, "steady", "rss_mb") is None
    assert against.ratio(records[:3], "steady", "cpu_ms") is None
    assert "| CPU a refresh, groups closed (cpu_ms) | 3 | 0.750 | 3 |" in against.table(records)


def test_a_revision_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownRevision, match="no-such-revision") as told:
        install_revision(tmp_path, "no-such-revision")
    assert "\n" not in str(told.value)
    assert not list(tmp_path.iterdir())
