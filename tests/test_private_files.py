"""Files of ours: never through a link, never another user's, never for others to read, and never waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pgtop_conn import private_files

#: Any account that is not ours.
ANOTHER = 12_345


def _append(path: Path) -> None:
    os.close(private_files.append(path))


def _create(path: Path) -> None:
    private_files.create(path, "new")


def _replace(path: Path) -> None:
    private_files.replace(path, "new")


WAYS = pytest.mark.parametrize("write", [_append, _create, _replace])


def _link(path: Path) -> None:
    path.with_name("victim").write_text("old")
    path.symlink_to("victim")


def _dangling(path: Path) -> None:
    path.symlink_to("victim")


def _hard_link(path: Path) -> None:
    path.with_name("victim").write_text("old")
    path.hardlink_to(path.with_name("victim"))


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@WAYS
@pytest.mark.parametrize("prepare", [_link, _dangling, _fifo, Path.mkdir])
def test_what_is_prepared_is_refused_and_left_as_it_was(
    tmp_path: Path, write: Callable[[Path], None], prepare: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    prepare(path)
    before = path.lstat()
    with pytest.raises(OSError) as raised:  # noqa: PT011
        write(path)
    assert raised.value.strerror
    assert path.lstat() == before
    victim = tmp_path / "victim"
    assert victim.read_text() == "old" if prepare is _link else not victim.exists()


@pytest.mark.parametrize("write", [_append, _replace])
def test_a_file_of_another_user_is_refused(
    tmp_path: Path, write: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    if os.geteuid() == 0:
        os.chown(path, ANOTHER, -1)
    else:
        # Only root can give a file away: it is we who become another.
        monkeypatch.setattr(os, "geteuid", lambda: ANOTHER)
    before = path.lstat()
    with pytest.raises(OSError, match=f"belongs to another user .uid {before.st_uid}."):
        write(path)
    assert path.read_text() == "old"
    assert path.lstat().st_mode == before.st_mode


def test_a_second_name_is_refused(tmp_path: Path) -> None:
    _hard_link(tmp_path / "file")
    with pytest.raises(OSError, match="hard link"):
        _append(tmp_path / "file")


@WAYS
def test_a_new_file_is_for_us_alone_whatever_the_umask(tmp_path: Path, write: Callable[[Path], None]) -> None:
    for mask in (0o000, 0o277):
        before = os.umask(mask)
        try:
            write(tmp_path / f"{mask}")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mask}").stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [_append, _replace])
def test_a_mode_that_lets_others_in_is_tightened(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o666)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_replaced_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    private_files.replace(path, "one")
    private_files.replace(path, "two")
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    private_files.replace(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (private_files.replace, lambda _path, text: private_files.create(tmp_path / "other", text)):
        with pytest.raises(OSError, match="No space"):
            write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/dev/tty", "folder"])
def test_only_a_regular_file_is_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"not a regular file|directory"):
        private_files.read(tmp_path / name, 10)


def test_a_file_is_read_through_a_link_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("file")
    assert private_files.read(tmp_path / "link", 10) == b"0123456789"
    with pytest.raises(OSError, match="larger than 9 bytes"):
        private_files.read(tmp_path / "link", 9)


def test_what_is_set_aside_takes_no_other_name(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "file").write_text(text)
        private_files.set_aside(tmp_path / "file")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["one", "two"]
