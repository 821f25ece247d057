"""The files of a connection: however long, whatever they are, they are read in no time or refused with the reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.errors import BadInput
from pgtop_conn.postgres import small_files
from pgtop_conn.postgres.connection.tls import Unusable, context
from pgtop_conn.postgres.conninfo.conninfo import ConnInfo, resolve
from pgtop_conn.postgres.conninfo.passfile import LONGEST_LINE, PasswordFile
from pgtop_conn.postgres.conninfo.tls_options import Tls


def password(path: Path, raw: bytes) -> ConnInfo:
    path.write_bytes(raw)
    path.chmod(0o600)
    return resolve(f"host=h dbname=d user=u passfile={path}", environ={})


def test_a_line_longer_than_any_password_is_left_out_and_said(tmp_path: Path) -> None:
    long = b"h:5432:d:u:" + b"\\:" * 2**20
    info = password(tmp_path / "passes", long + b"\nh:*:*:*:next\n")
    assert info.password == "next"
    info = password(tmp_path / "passes", long)
    assert info.password is None
    assert "lines of more than 64 kB are left out: 1" in info.hosts[0].no_password
    # A token is long, and no longer than this.
    token = "t" * (LONGEST_LINE - 100)
    assert password(tmp_path / "passes", f"h:5432:d:u:{token}".encode()).password == token


def test_the_time_for_a_file_grows_with_its_length(tmp_path: Path) -> None:
    """Four megabytes of the worst lines: a reading that grows with the square would take minutes."""
    line = b"\\:" * (LONGEST_LINE // 2 - 1) + b"\n"
    count = small_files.MOST_BYTES // len(line)
    assert password(tmp_path / "passes", line * count).password is None


def test_a_password_file_that_is_too_long_is_ignored_and_said(tmp_path: Path) -> None:
    path = tmp_path / "passes"
    with path.open("wb") as file:
        file.write(b"h:*:*:*:secret\n")
        file.truncate(2**40)
    path.chmod(0o600)
    info = resolve(f"host=h user=u passfile={path}", environ={})
    assert info.password is None
    assert info.notes == (f"password file {path} ignored: longer than 4 MB",)


def test_a_password_file_that_is_a_pipe_is_ignored_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "passes", 0o600)
    info = resolve(f"host=h user=u passfile={tmp_path}/passes", environ={})
    assert info.notes == (f"password file {tmp_path}/passes ignored: not a plain file",)


_CHARACTERS = st.text(alphabet=":\\*h5432du x\t\r#é\udc80", max_size=30)


@given(lines=st.lists(_CHARACTERS, max_size=6), host=_CHARACTERS, user=_CHARACTERS)
def test_every_line_is_read_as_character_by_character(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], host: str, user: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"passes-{os.getpid()}"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    found, _ = PasswordFile.read(path).find(host, 5432, "d", user)
    assert found == expected(lines, (host or "localhost", "5432", "d", user))


def expected(lines: list[str], wanted: tuple[str, ...]) -> str | None:
    for line in lines:
        if line.startswith("#"):
            continue
        fields = list(fields_of(line.rstrip("\r")))
        if len(fields) == 5 and all(
            raw == "*" or plain == want for (raw, plain), want in zip(fields, wanted, strict=False)
        ):
            return fields[4][1] or None
    return None


def fields_of(line: str) -> Iterator[tuple[str, str]]:
    raw, plain, count, position = "", "", 1, 0
    while position < len(line):
        char = line[position]
        if char == ":" and count < 5:
            yield raw, plain
            raw, plain, count = "", "", count + 1
        elif char == "\\" and position + 1 < len(line):
            position += 1
            raw += char + line[position]
            plain += line[position]
        else:
            raw += char
            plain += char
        position += 1
    yield raw, plain


def test_a_service_file_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "services"
    with path.open("wb") as file:
        file.write(b"[one]\nhost=h\n")
        file.truncate(2**40)
    with pytest.raises(BadInput, match=r"longer than 4 MB"):
        resolve("service=one", environ={"PGSERVICEFILE": str(path)})


def test_a_service_file_may_be_a_pipe_and_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell makes of <(…), which psql takes, too."""
    path = tmp_path / "services"
    os.mkfifo(path)
    environ = {"PGSERVICEFILE": str(path)}
    reading, writing = os.pipe()
    os.write(writing, b"[one]\nhost=piped\n")
    os.close(writing)
    assert resolve("service=one", environ={"PGSERVICEFILE": f"/dev/fd/{reading}"}).host == "piped"
    os.close(reading)
    monkeypatch.setattr(small_files, "PIPE_S", 0.05)
    with pytest.raises(BadInput, match="a pipe through which not everything came"):
        resolve("service=one", environ=environ)
    # Somebody who holds it open and writes nothing.
    holder = os.open(path, os.O_RDWR)
    with pytest.raises(BadInput, match="a pipe through which not everything came"):
        resolve("service=one", environ=environ)
    os.close(holder)


def test_a_folder_that_can_not_be_searched_is_one_line(tmp_path: Path) -> None:
    """A name longer than the system takes is refused to root, too."""
    with pytest.raises(BadInput, match="File name too long"):
        resolve("service=one", environ={"HOME": str(tmp_path / ("x" * 300))})


def test_a_name_that_no_file_can_have_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "services").write_bytes(b"[one]\nhost=h\npassfile=a\0b\n")
    info = resolve("service=one user=u", environ={"PGSERVICEFILE": str(tmp_path / "services")})
    assert "no file can have this name" in info.notes[0]


@pytest.mark.parametrize("name", ["root", "certificate", "key", "revoked"])
def test_a_file_of_tls_that_is_none_is_refused_before_it_is_opened(tmp_path: Path, name: str) -> None:
    """OpenSSL would wait for a pipe, and nothing could end that; a guard thread ends the test if it did."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    (tmp_path / "postgresql.crt").write_text("none")
    root = tmp_path / "root.crt"
    root.write_text("")
    saved = threading.Timer(30, lambda: os.close(os.open(pipe, os.O_WRONLY)))
    saved.start()
    given = {"root": Tls(root=str(pipe)), "certificate": Tls(certificate=str(pipe))}
    given |= {"key": Tls(key=str(pipe), folder=tmp_path), "revoked": Tls(root="system", revoked=str(pipe))}
    if name == "key":
        root.unlink()
    with pytest.raises(Unusable, match="is no plain file"):
        context(given[name])
    saved.cancel()
    with pipe.with_name("huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(Unusable, match="is longer than 64 MB"):
        context(Tls(root=str(tmp_path / "huge")))
