"""Completion and the manual page: made from the parsers, valid for their shells, and right about what they complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pgtop_conn.cli import COMMANDS, main
from pgtop_conn.config import SETTINGS
from pgtop_conn.view.table.groups import GROUPINGS


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", shell]) == 0
    path = folder / f"completion.{shell}"
    path.write_text(capsys.readouterr().out)
    return path


def program_of(name: str) -> str:
    """Where a program is; the test is skipped where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_valid_for_its_shell(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(shell, tmp_path, capsys)
    text = path.read_text()
    for word in (*COMMANDS, *(setting.name for setting in SETTINGS if setting.metavar), *GROUPINGS, "pgtop-light"):
        assert word in text
    subprocess.run([program_of(shell), "-n", str(path)], check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sn"], ["snapshot"]),
        (["--group", "r"], ["role"]),
        (["--group", "=", "r"], ["role"]),
        (["--group", "="], list(GROUPINGS)),
        (["snapshot", "--door", ""], ["walsender", "host"]),
        (["--theme", "pgtop-l"], ["pgtop-light"]),
        (["snapshot", "--cs"], ["--csv"]),
        (["--cs"], []),
        (["kill", "--dry"], ["--dry-run"]),
        (["check", "--crit"], ["--critical"]),
        (["snapshot", "--wat"], ["--watch"]),
        (["completion", "f"], ["fish"]),
        (["--config", "own.t"], ["own.toml"]),
        (["config", "--check", "own.t"], ["own.toml"]),
        (["snapshot", "di"], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_completes(
    words: list[str], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bash = program_of("bash")
    path = script("bash", tmp_path, capsys)
    (tmp_path / "own.toml").write_text("")
    program = (
        f'source {path}; COMP_WORDS=(pgtop-conn "$@"); COMP_CWORD=$#; _pgtop_conn; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        [bash, "-c", program, "bash", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert sorted(done.stdout.split()) == sorted(expected)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "tcsh" in capsys.readouterr().err


def test_the_manual_page_tells_every_command_option_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man"]) == 0
    page = capsys.readouterr().out
    assert page.startswith('.TH "PGTOP\\-CONN" 1')
    assert page.isascii()
    for name in COMMANDS:
        assert f'.SS "{name}"' in page
    for setting in SETTINGS:
        assert setting.variable in page


def test_groff_takes_the_manual_page_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    groff = program_of("groff")
    assert main(["man"]) == 0
    page = capsys.readouterr().out
    done = subprocess.run([groff, "-ww", "-man", "-Tutf8", "-P-cbou"], input=page, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--protected-roles ROLES" in done.stdout
