"""Whatever the environment is, a command ends with one line and a code of its own: never in a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.config import SETTINGS
from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import BadInput
from pgtop_conn.toml_file import read_file
from tests.support.servers import Clients

PROGRAM = (sys.executable, "-m", "pgtop_conn")
NOBODY = ("-h", "127.0.0.1", "-p", "1")
MANY_DIGITS = "9" * 5000


async def shell(
    line: str, *arguments: str, environ: Mapping[str, str | None] | None = None, folder: Path | None = None
) -> tuple[int, str, str]:
    """`"$@"` with these arguments in a line of sh, where streams are closed or led elsewhere."""
    variables = {**os.environ, **(environ or {})}
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", line, "sh", *PROGRAM, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in variables.items() if value is not None},
        cwd=folder,
        start_new_session=True,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    said = out.decode() + err.decode()
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert "Exception ignored" not in said
    return process.returncode, out.decode(), err.decode()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("where", [">&-", ">/dev/full", ">&- 2>&-", ">/dev/full 2>/dev/full", "<&- >&- 2>&-"])
async def test_a_check_that_can_not_say_it_is_unknown(cluster: Cluster, where: str) -> None:
    for arguments in (("check", cluster.uri()), ("check", *NOBODY), ("check", "--warning", "x")):
        code, out, _ = await shell(f'"$@" {where}', *arguments)
        assert (code, out) == (3, "")


@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
async def test_other_commands_say_in_one_line_that_stdout_is_lost(cluster: Cluster, where: str) -> None:
    for arguments in (
        ("--version",),
        ("--help",),
        ("snapshot", cluster.uri()),
        ("snapshot", "--json", cluster.uri()),
        ("snapshot", "--json", "--watch", "0.25", "--count", "1", cluster.uri()),
        ("kill", "app:nobody", "--dry-run", cluster.uri()),
        ("diagnose", cluster.uri()),
        ("config",),
        ("config", "--print"),
        ("man",),
        ("completion", "bash"),
    ):
        code, out, err = await shell(f'"$@" {where}', *arguments)
        assert (code, out) == (1, ""), arguments
        assert err.splitlines()[-1].startswith("pgtop-conn: stdout can't be written: "), arguments


async def test_a_lost_stderr_changes_no_exit_code(cluster: Cluster) -> None:
    for where in ("2>&-", "2>/dev/full", "<&- 2>&-"):
        assert (await shell(f'"$@" {where}', "snapshot", *NOBODY))[0] == 2
        code, out, _ = await shell(f'"$@" {where}', "check", cluster.uri())
        assert code in (0, 1)
        assert out.startswith("PGTOP_CONN ")


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": "/dev/null", "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None},
        {"HOME": None, "XDG_CONFIG_HOME": None, "XDG_STATE_HOME": None},
        {"HOME": "", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""},
        {"HOME": "relative", "XDG_CONFIG_HOME": "relative", "XDG_STATE_HOME": "relative"},
        {"XDG_STATE_HOME": "/proc/nowhere", "XDG_CONFIG_HOME": "/proc/nowhere"},
        {"TMPDIR": "/nonexistent", "TZ": "no/../such:zone,M3", "LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"COLUMNS": MANY_DIGITS, "LINES": MANY_DIGITS},
        {"COLUMNS": "²", "LINES": "-1"},
        {"COLUMNS": "0"},
    ],
    ids=lambda environ: " ".join(environ),
)
async def test_no_environment_stops_a_command(cluster: Cluster, tmp_path: Path, environ: Mapping[str, str]) -> None:
    for arguments in (("snapshot",), ("snapshot", "--json"), ("check",), ("diagnose",)):
        code, out, err = await shell('"$@"', *arguments, cluster.uri(), environ=environ, folder=tmp_path)
        assert code in (0, 1), err
        assert out
        assert max(map(len, out.splitlines())) < 20_000
    # Without a HOME it is the account's own journal, and what is in it is not ours to know.
    code, out, _ = await shell('"$@"', "journal", "--json", environ=environ, folder=tmp_path)
    assert code == 0
    assert isinstance(json.loads(out), list)
    # Nothing is left in the folder that we were started in.
    assert names_in(tmp_path) == []


async def test_a_million_columns_are_a_thousand(cluster: Cluster) -> None:
    code, out, _ = await shell('"$@"', "snapshot", cluster.uri(), environ={"COLUMNS": "999999"})
    assert code == 0
    assert max(map(len, out.splitlines())) <= 1000


async def test_a_folder_that_is_deleted(cluster: Cluster, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code, out, _ = await shell('rmdir ../gone; "$@"', "check", cluster.uri(), folder=gone)
    assert code in (0, 1)
    assert out.startswith("PGTOP_CONN ")


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("snapshot", "-h", "\udcff\udcfe"), {}),
        (("snapshot", "--config", "\udcff"), {}),
        (("snapshot", "--config", "~nobody-is-called-so/x"), {}),
        (("snapshot", "--filter", "app:\udcff", *NOBODY), {}),
        (("snapshot", "--filter", f"pid:{MANY_DIGITS}"), {}),
        (("snapshot", "--interval", MANY_DIGITS), {}),
        (("snapshot", "--log-file", "/nonexistent/\udcff\x1b[31m"), {}),
        (("record", "/nonexistent/\udcff\x1b[31m", *NOBODY), {}),
        (("journal", "--last", MANY_DIGITS), {}),
        (("snapshot", "-h", "127.0.0.1"), {"PGPORT": MANY_DIGITS}),
        (("snapshot", *NOBODY), {"PGCONNECT_TIMEOUT": MANY_DIGITS}),
        (("snapshot",), {"PGHOST": "a" * 100_000}),
        (("snapshot", *NOBODY), {"PGUSER": "a" * 100_000, "PGDATABASE": "\udcff" * 1000}),
    ],
    ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode(),
)
async def test_no_argument_and_no_variable_ends_in_a_defect(
    arguments: tuple[str, ...], environ: Mapping[str, str]
) -> None:
    code, out, err = await shell('"$@"', *arguments, environ=environ)
    assert (code, out) == (2, "")
    assert err.startswith("pgtop-conn: ")
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfinterval = 3\n", ""),
        (b"a = " + b"[" * 100_000, "nested too deep"),
        (b"interval = " + b"9" * 5000, "too many digits"),
        (b"interval = 0x" + b"9" * 5000, "expected seconds between 0.25 and 60, not a number of"),
        (b"interval = 1" + b"0" * 400, "expected seconds between 0.25 and 60, not a number of"),
        (b'log-file = "a\\u0000b"', "null byte"),
        (b"\xff\xfe", "expected UTF-8"),
        (b"#" * 2_000_000, "larger than"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_no_configuration_ends_in_a_defect(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    code, _, err = await shell('"$@"', "snapshot", "--config", str(path), *NOBODY)
    assert code == 2
    assert expected in err
    assert len(err) < 1000
    assert ("no server at" in err) == (not expected)
    code, _, _ = await shell('"$@"', "config", "--check", str(path))
    assert code == (2 if expected and "null" not in expected else 0)


@pytest.mark.parametrize("name", ["config.toml", ".pgpass", ".pg_service.conf", "root.crt"])
async def test_a_fifo_in_the_place_of_a_file_holds_nobody(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    arguments, environ = {
        "config.toml": (("--config", str(path), *NOBODY), {}),
        ".pgpass": (NOBODY, {"PGPASSFILE": str(path)}),
        ".pg_service.conf": (("service=x",), {"PGSERVICEFILE": str(path)}),
        "root.crt": ((f"host=127.0.0.1 port=1 sslmode=verify-ca sslrootcert={path}",), {}),
    }[name]
    code, out, _ = await shell('"$@"', "snapshot", *arguments, environ=environ)
    assert (code, out) == (2, "")


_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
)


@given(st.sampled_from(SETTINGS), _values)
def test_any_value_of_a_setting_is_taken_or_refused(setting: object, value: object) -> None:
    try:
        setting.parse(value)  # type: ignore[attr-defined]
    except BadInput as error:
        assert len(str(error)) < 2000  # noqa: PT017


def test_a_folder_that_is_another_accounts_has_no_configuration_for_us(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_file(tmp_path / "file" / "config.toml", required=False) == {}


async def test_files_of_others_are_not_written(cluster: Cluster, clients: Clients, tmp_path: Path) -> None:
    """By every command that writes one."""
    victim = tmp_path / "victim"
    uri = cluster.uri()
    await clients(cluster, app="web")
    for name, arguments in {
        "record": ("record", "{}", uri, "--interval", "0.25", "--duration", "3s"),
        "log": ("snapshot", "--log-file", "{}", uri),
        "config": ("config", "--init", "--config", "{}"),
    }.items():
        path = tmp_path / name
        path.symlink_to(victim)
        code, _, err = await shell('"$@"', *(one.format(path) for one in arguments))
        assert code == 2, err
        assert "symbolic link" in err or "there is a configuration already" in err
        assert not victim.exists()
        path.unlink()
        os.mkfifo(path)
        code, _, err = await shell('"$@"', *(one.format(path) for one in arguments))
        assert code == 2, err
        path.unlink()
        code, _, err = await shell('"$@"', *(one.format(path) for one in arguments))
        assert code == 0, err
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_kill_behind_a_torn_line_is_in_the_journal(
    cluster: Cluster, clients: Clients, scrubbed_environment: Path
) -> None:
    await clients(cluster, app="leaver", role=await clients.role(cluster, "leaver"))
    journal = scrubbed_environment / "state" / "pgtop-conn" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text('{"at": "2026-11-30T20:00:00.000000Z", "event": "asked", "pid": 5, "acti')
    code, _, err = await shell('"$@"', "kill", "app:leaver", "--yes", cluster.uri())
    assert code == 0, err
    code, out, err = await shell('"$@"', "journal", "--json")
    (entry,) = json.loads(out)
    assert (code, entry["app"], entry["outcome"]) == (0, "leaver", "gone")
    assert "1 line is damaged and left out" in err
