"""pgtop-conn journal: one line for each signal, whatever became of the file."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.commands.journal import journal as written_journal
from pgtop_conn.model.errors import BadInput
from pgtop_conn.model.facts import NO_FACTS, Facts
from pgtop_conn.model.signalling.journal import Damage, entries, read
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Outcome, Status, Target
from pgtop_conn.sources.journaled import Journaled
from tests.support.data.factories import make_backend, make_own, make_snapshot


def journal(path: Path, last: int | None, *, as_json: bool) -> tuple[str, str]:
    """What the command writes to stdout, and its remark."""
    pieces: list[str] = []
    remark = written_journal(path, last, pieces.append, as_json=as_json)
    return "".join(pieces), remark


class Scripted:
    """A source that gives the snapshots it was told, and signals everybody but pid 3."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self.snapshots = list(snapshots)

    async def poll(self) -> Snapshot:
        return self.snapshots.pop(0)

    async def signal(self, action: Action, targets: Sequence[Target]) -> list[Outcome]:
        return [
            Outcome(target, Status.DENIED, "not allowed") if target.key.pid == 3 else Outcome(target, Status.SIGNALLED)
            for target in targets
        ]

    def settle(self, action: Action, outcome: Outcome) -> None:
        return

    async def facts(self) -> Facts:
        return NO_FACTS

    async def close(self) -> None:
        self.snapshots.clear()


async def written(path: Path) -> None:
    """Three signals: 1 is gone afterwards, 2 is not settled, 3 is denied; then 1 of another time."""
    rows = [make_backend(pid, app="x\x1b[31m") for pid in (1, 2, 3)]
    first = make_snapshot([make_own(), *rows])
    source = Journaled(Scripted(first, make_snapshot([make_own(), rows[1]])), path)
    await source.poll()
    for backend in rows:
        await source.signal(Action.TERMINATE, [Target.of(backend, "marks", "too\nmany")])
    await source.poll()
    source.settle(Action.TERMINATE, Outcome(Target.of(rows[0], "marks", "too\nmany"), Status.GONE))


async def test_what_was_asked_sent_and_settled_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    out, remark = journal(path, None, as_json=True)
    entries = json.loads(out)
    assert remark == ""
    assert [(one["pid"], one["outcome"], one["detail"]) for one in entries] == [
        (1, "gone", None),
        (2, "signalled", None),
        (3, "denied", "not allowed"),
    ]
    assert {(one["chosen_by"], one["server"], one["role"]) for one in entries} == {("marks", "db.example:5432", "app")}
    assert all(one["asked_at"].endswith("Z") and one["os_user"] and one["client_host"] for one in entries)
    assert [one["settled_at"] is None for one in entries] == [False, True, True]
    text, _ = journal(path, None, as_json=False)
    lines = text.splitlines()
    assert len(lines) == 3
    assert text.isprintable() or "\x1b" not in text
    assert "terminate 1 (app, x␛[31m, 10.2.0.17, idle" in lines[0]
    assert "→ gone [marks] because: too many" in lines[0]
    assert "→ signalled; its end was not seen" in lines[1]
    assert "→ denied: not allowed" in lines[2]


async def test_the_last_ones_are_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    for last, pids in ((0, []), (1, [3]), (2, [2, 3]), (99, [1, 2, 3])):
        assert [one["pid"] for one in json.loads(journal(path, last, as_json=True)[0])] == pids


async def test_the_same_session_twice_keeps_its_answers_apart(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    await written(path)
    entries = json.loads(journal(path, None, as_json=True)[0])
    assert [(one["pid"], one["outcome"]) for one in entries] == [(1, "gone"), (2, "signalled"), (3, "denied")] * 2


async def test_damaged_lines_are_counted_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    with path.open("ab") as file:
        for line in (
            b"{",
            b"[]",
            b"\xff\xfe",
            b'{"event": "asked"}',
            b'{"event": "sent", "pid": 9, "at": "", "action": "x"}',
        ):
            file.write(line + b"\n")
        file.write(b"[" * 100_000 + b"\n")
        file.write(b'{"event": "asked", "pid": 1' + b"0" * 10_000 + b"}\n")
        # Torn off in the middle, with no end of line.
        file.write(b'{"event": "asked", "pid": 5, "at": "2026')
    out, remark = journal(path, None, as_json=False)
    assert len(out.splitlines()) == 3
    assert remark == "8 lines are damaged and left out"


async def test_a_line_that_was_torn_off_swallows_none_that_follows(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"at": "2026-11-30T20:00:00.000000Z", "event": "asked", "pid": 5, "acti')
    await written(path)
    out, remark = journal(path, None, as_json=True)
    assert [one["pid"] for one in json.loads(out)] == [1, 2, 3]
    assert remark == "1 line is damaged and left out"


async def test_of_two_lines_that_a_crash_has_joined_the_whole_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    lines = path.read_text().splitlines(keepends=True)
    for torn in range(len(lines)):
        # As it was before appending looked at the end of the file.
        begin = lines[torn][: len(lines[torn]) // 2]
        path.write_text("".join([*lines[:torn], begin, *lines[torn:]]))
        out, remark = journal(path, None, as_json=True)
        assert [(one["pid"], one["outcome"]) for one in json.loads(out)] == [
            (1, "gone"),
            (2, "signalled"),
            (3, "denied"),
        ]
        assert remark == "1 line is damaged and left out"


async def test_an_answer_whose_question_was_lost_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(["{torn\n", *lines[1:]]))
    out, _ = journal(path, None, as_json=True)
    found = [(one["pid"], one["outcome"], one["asked_at"] is None) for one in json.loads(out)]
    assert found == [(1, "gone", True), (2, "signalled", False), (3, "denied", False)]


async def test_what_may_have_been_typed_at_any_length_still_makes_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    snapshot = make_snapshot([make_own(), make_backend(1)])
    source = Journaled(Scripted(snapshot), path)
    await source.poll()
    await source.signal(Action.TERMINATE, [Target.of(snapshot.backends[1], "f" * 10**6, "r" * 10**6)])
    out, remark = journal(path, None, as_json=True)
    assert [one["pid"] for one in json.loads(out)] == [1]
    assert remark == ""


async def test_a_fifo_in_its_place_holds_nobody(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    os.mkfifo(path)
    with pytest.raises(BadInput, match="is not a regular file"):
        journal(path, None, as_json=False)
    snapshot = make_snapshot([make_own(), make_backend(1)])
    source = Journaled(Scripted(snapshot), path)
    await source.poll()
    (outcome,) = await source.signal(Action.TERMINATE, [Target.of(snapshot.backends[1])])
    assert outcome.note == "the journal was not written: is not a regular file"


async def test_a_gigabyte_is_read_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    lines = path.read_text()
    with path.open("a") as file:
        # A hole, which is one line that takes no room on the disk.
        file.truncate(2**30)
        file.seek(0, os.SEEK_END)
        file.write(f"\n{lines}")
    code = (
        "import resource, sys; from pathlib import Path; from pgtop_conn.commands.journal import journal;"
        "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29));"
        "print(journal(Path(sys.argv[1]), None, sys.stdout.write, as_json=False))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out.decode().splitlines()[-1] == "1 line is damaged and left out"
    assert len(out.splitlines()) == 7


async def test_entries_are_given_as_soon_as_they_are_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    await written(path)
    lines = path.read_text().splitlines()
    taken = 0

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in lines * 3:
            taken += 1
            yield line

    first = next(entries(counted(), Damage()))
    assert first.outcome == "gone"
    assert taken == len(lines)


def test_no_journal_is_no_error(tmp_path: Path) -> None:
    out, remark = journal(tmp_path / "none", None, as_json=True)
    assert json.loads(out) == []
    assert "nothing was signalled" in remark


def test_a_journal_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be read"):
        journal(tmp_path, None, as_json=False)


VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=2)
LINES = st.fixed_dictionaries(
    {"event": st.sampled_from(("asked", "sent", "settled")) | VALUES},
    optional={name: VALUES for name in ("at", "action", "pid", "server", "status", "detail", "os_user", "reason")},
).map(json.dumps)


@given(st.lists(LINES | st.text()))
def test_no_line_ends_it(lines: list[str]) -> None:
    entries, damaged = read(lines)
    assert len(entries) + damaged <= len(lines)
    for entry in entries:
        assert "\n" not in entry.text()
        json.dumps(entry.document())
