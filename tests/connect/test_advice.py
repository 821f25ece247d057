"""The next command: what was typed, with an option more, and never a password."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from pgtop_conn.connect.advice import again, host_command


@pytest.mark.parametrize(
    ("typed", "options", "expected"),
    [
        ([], {"user": "postgres"}, "-U postgres"),
        (["-d", "shop"], {"database": "postgres"}, "-d shop -d postgres"),
        (["-d", "user=web dbname=shop"], {"database": "postgres"}, "-d 'user=web dbname=postgres'"),
        (["-dservice=a"], {"database": "b", "user": "c"}, "'-dservice=a dbname=b' -U c"),
        (["-wdpostgres://web:secret@h/shop"], {}, "'-wduser=web host=h dbname=shop'"),
        (["service=a"], {"database": "b", "user": "c"}, "service=a -U c -d b"),
        (["postgres://web@h/shop"], {"user": "web"}, "postgres://web@h/shop"),
        (["--", "password='a b' dbname=it\\'s"], {}, "-- 'dbname='\"'\"'it\\'\"'\"'s'\"'\"''"),
        (["kill", "query~a=b", "-w", "--", "x"], {"user": "y"}, "kill 'query~a=b' -w -U y -- x"),
    ],
)
def test_commands(typed: Sequence[str], options: dict[str, str], expected: str) -> None:
    words = shlex.split(again(typed, **options))
    assert words[-len(shlex.split(expected)) :] == shlex.split(expected)


def test_the_command_behind_sudo_needs_nothing_of_ours() -> None:
    typed = ["kill", "role:web", "-wd", "service=a password=b", "-W", "--yes"]
    words = shlex.split(host_command(typed, "/var/run/postgresql", 5433, sudo=True))
    assert words[0] == "sudo"
    assert Path(words[1]).is_absolute()
    assert words[-9:] == ["kill", "role:web", "--yes", "--door", "host", "-h", "/var/run/postgresql", "-p", "5433"]
