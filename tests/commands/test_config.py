"""pgtop-conn config: a file to begin with, what is wrong in one and where, and what is in force."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from pgtop_conn.cli import main
from pgtop_conn.commands.common.screen_options import view_of
from pgtop_conn.commands.config import lines_of, template
from pgtop_conn.config import PRESETS, SETTINGS, Settings, load
from pgtop_conn.model.filters.language import parse
from pgtop_conn.storage.layout import Layout, LayoutFile


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def test_init_writes_once_and_what_it_writes_is_valid(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--init"]) == 0
    path = Path(capsys.readouterr().out.partition(": written")[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tomllib.loads(path.read_text()) == {}
    path.write_text("interval = 3\n")
    assert main(["config", "--init"]) == 2
    assert f"left as it is: {path}" in capsys.readouterr().err
    assert path.read_text() == "interval = 3\n"
    assert main(["config", "--check"]) == 0
    assert main(["config", "--print"]) == 0
    assert template() in capsys.readouterr().out


def test_every_line_of_the_template_holds_when_it_is_no_comment_any_more(tmp_path: Path) -> None:
    lines = template().splitlines()
    chosen = [line[2:] for line in lines if line.startswith("# [") or " = " in line.partition("(")[0]]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(chosen))
    found = tomllib.loads(file.read_text())
    assert found.keys() == {setting.name for setting in SETTINGS}
    settings = load({}, {}, str(file))
    assert (settings.interval_s, settings.mouse, settings.presets) == (2.0, True, Settings().presets)
    assert main(["config", "--check", str(file)]) == 0


def test_check_names_the_line_of_each_problem_and_what_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'intervall = 2\ngroup = "rol"\n\nprotected-roles = [\n  "a",\n  1,\n]\ntheme = "pgtp"\nfilter = "idel>3m"\n'
        'warning = 97\n[labels]\nA = "app:x"\n"B b" = "idle>3"\n[presets]\n0 = "idle>3m"\n2 = "nope:3"\n'
        '[keys]\nterminat = "f9"\n'
    )
    assert main(["config", "--check", str(file)]) == 2
    lines = capsys.readouterr().out.splitlines()
    expected = [
        (1, "did you mean interval?"),
        (2, "did you mean role?"),
        (4, "expected a list of names"),
        (8, "did you mean pgtop?"),
        (9, "did you mean idle?"),
        (10, "at most critical"),
        (13, "label 'B b'"),
        (15, "expected a number key"),
        (16, "presets: 2: "),
        (18, "did you mean terminate?"),
    ]
    assert len(lines) == len(expected)
    for line, (number, what) in zip(lines, expected, strict=True):
        assert line.startswith(f"{file}:{number}: ")
        assert what in line


def test_check_of_what_is_no_toml_or_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text("interval = 2\ngroup = [\n\n")
    assert main(["config", "--check", str(file)]) == 2
    assert "expected TOML" in capsys.readouterr().out
    file.write_text("interval = 2\ninterval = 3\n")
    assert main(["config", "--check", str(file)]) == 2
    assert capsys.readouterr().out.startswith(f"{file}:2: expected TOML")
    file.write_bytes(b"# a\n# \xff\n")
    assert main(["config", "--check", str(file)]) == 2
    assert capsys.readouterr().out == f"{file}:2: expected UTF-8\n"
    assert main(["config", "--check", str(tmp_path / "absent.toml")]) == 2
    assert "--init writes one" in capsys.readouterr().err


def test_what_stands_in_a_long_text_is_no_key() -> None:
    text = 'filter = """\ninterval = 3\n"""\ninterval = 4\nlabels."B" = "x"\n'
    assert lines_of(text) == {("filter",): 1, ("interval",): 4, ("labels",): 5, ("labels", "B"): 5}


def test_config_says_what_is_in_force_and_where_from(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "own.toml"
    file.write_text('warning = 70\n[labels]\nA = "app:x"\n')
    monkeypatch.setenv("PGTOP_CONN_GROUP", "role")
    assert main(["config", "--config", str(file), "--interval", "5"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in (
        ["interval", "5", "--interval"],
        ["group", '"role"', "PGTOP_CONN_GROUP"],
        ["warning", "70", str(file)],
        ["labels.A", '"app:x"', str(file)],
        ["critical", "95", "default"],
    ):
        assert row in rows


def test_presets_of_the_user_lie_over_ours() -> None:
    for text in PRESETS.values():
        parse(text)
    presets = dict(load({"presets": "1=app:web;9="}, {}).presets)
    assert presets == {**{number: text for number, text in PRESETS.items() if number != "9"}, "1": "app:web"}
    assert load({}, {"PGTOP_CONN_KEYS": "terminate=f9, x"}).keys == (("terminate", "f9,x"),)


def test_a_layout_is_kept_and_options_win_over_it(tmp_path: Path) -> None:
    layouts = LayoutFile(tmp_path / "state")
    layouts.save_grouping("role")
    layouts.save_sort("idle", True)
    layouts.save_columns({"client", "app"})
    layouts.save_theme("pgtop-light")
    assert stat.S_IMODE(layouts.path.stat().st_mode) == 0o600
    assert list(layouts.path.parent.iterdir()) == [layouts.path]
    saved = LayoutFile(tmp_path / "state").layout
    assert saved == Layout("role", "idle", True, "pgtop-light", ("app", "client"))
    view = view_of(Settings(), saved, "client")
    assert (view.grouping, view.sort, view.reverse) == ("role", "idle", True)
    assert view_of(Settings(group="state"), saved, "client").grouping == "state"
    assert view_of(Settings(), Layout(), "host").grouping == "role"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"grouping": 3, "sort": "x", "hidden": {}}', "[" * 50_000])
def test_a_damaged_layout_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "layout.json").write_text(text)
    assert LayoutFile(tmp_path).layout == Layout()


def test_a_layout_that_can_not_be_written_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    LayoutFile(tmp_path / "file").save_theme("pgtop")
    assert "layout" in caplog.text
