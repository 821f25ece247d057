"""replay FILE from the command line: what is no recording is one line; without a terminal another command is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pgtop_conn import cli, config
from pgtop_conn.commands.replay import run as replaying
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.signalling.guards import Policy


def test_without_a_terminal_the_report_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["replay", str(tmp_path / "run.pgtop")]) == 2
    error = capsys.readouterr().err
    assert "needs a terminal" in error
    assert "pgtop-conn report FILE" in error
    assert error.count("\n") == 1


def nothing(_path: Path) -> None:
    """There is no such file."""


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (nothing, "No such file"),
        (Path.mkdir, "Is a directory"),
        (os.mkfifo, "is not a regular file"),
        (Path.touch, "is not a recording"),
        (lambda path: path.write_bytes(b"pgtop-conn recording 1\n"), "no moment that can be read"),
        (lambda path: path.write_bytes(b"pgtop-conn recording 9\n"), "this version of pgtop-conn knows format 1"),
    ],
)
async def test_what_is_no_recording_is_one_line(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "run.pgtop"
    make(path)
    with pytest.raises(BadInput, match=said) as raised:
        await replaying.replay(path, config.Settings(), Policy())
    assert "\n" not in str(raised.value)
