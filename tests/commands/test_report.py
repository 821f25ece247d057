"""pgtop-conn report: what a recording tells, in both forms, and that nobody's names or queries break out of them."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtop_conn.commands.report.run import journalled, story_of
from pgtop_conn.config import Settings
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.history.moments import Mark, Moment, Totals
from pgtop_conn.model.history.usage import usage
from pgtop_conn.model.leaks.habits import Pool
from pgtop_conn.model.leaks.rules import Leak
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.view.charts.history_svg import history_svg, hours_svg
from pgtop_conn.view.reports.recording import Story
from pgtop_conn.view.reports.recording_html import page
from pgtop_conn.view.reports.recording_markdown import chronicle, hours
from tests.support.command_line import run
from tests.support.data.factories import NOW, make_backend, make_own, make_role, make_server, make_snapshot
from tests.support.data.histories import histories, make_mark, make_totals, marks, series
from tests.support.data.strategies import raw_text
from tests.view.reports.test_incident import GFM, HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
#: A page holds these and no other.
PAGE_TAGS = "html head meta title style body main h1 h2 p strong ul li div b span figure figcaption"
TABLE_TAGS = "table thead tbody tr th td code"
SVG_TAGS = "svg path rect circle polygon text"
TAGS = frozenset(f"{PAGE_TAGS} {TABLE_TAGS} {SVG_TAGS}".split())


class Seen(HTMLParser):
    """The tags of a page in order, balanced, its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def poll(number: int, name: str = "billing", query: str = "SELECT * FROM invoices WHERE id = 42") -> Snapshot:
    """A minute apart: one session of `name` more each, and one that forgot its transaction."""
    at = NOW + 60 * number
    rows = [
        make_own(),
        make_backend(50, app="web"),
        make_backend(60, app=name, role=name, state="idle in transaction", xact_start=NOW - 600, query=query),
        *(make_backend(100 + one, app=name, role=name, client=name, query=query) for one in range(number)),
    ]
    roles = [make_role(name=name, connection_limit=7)]
    return make_snapshot(rows, taken_at=at, server=make_server(max_connections=20), roles=roles)


def told(name: str = "billing", query: str = "SELECT * FROM invoices WHERE id = 42", **overrides: object) -> Story:
    """A story of ten minutes."""
    polls = [poll(number, name, query) for number in range(10)]
    totals = [Totals.of(one, SlotBudget.of(one)) for one in polls]
    leak = Leak(Pool(name, name, "shop"), 0.9, f"{name} holds 9 of 20", {}, {})
    found = usage(totals)
    assert found is not None
    signals = [make_mark(NOW + 300, role=name, app=name, chosen_by=name)]
    last = Moment(polls[-1], (leak,))
    story = Story(totals, signals, found, last, last, damage=(f"damaged near {name}",), version="1.0")
    return replace(story, **overrides)  # type: ignore[arg-type]


def test_every_part_is_there_in_order() -> None:
    text = chronicle(told())
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        "# Connections of `db.example:5432`",
        "## Slots in use over time",
        "## The peak",
        "## Who grew",
        "## Limits",
        "## Leaks",
        "## What was done",
        "## Capacity",
        "## How this was made",
    ]
    assert "From 2026-03-01 12:00:00 to 2026-03-01 12:09:00 UTC, 10 polls." in text
    assert "**Peak:** 12 of 20 slots at 2026-03-01 12:09:00." in text
    assert "You could give 2 more connections to the pools: 17 slots of ordinary logins" in text
    assert "less than a day" in text
    assert "**Mind:** damaged near billing." in text
    assert "| `billing` | 1 | 10 | 10 | \\+9 | \\+60.0 |" in text
    assert "| `role billing` | 7 | 11 | 2026-03-01 12:09:00 | 4 min |" in text
    assert "- billing holds 9 of 20 (0 sessions, score 0.90)" in text
    assert "| 2026-03-01 12:05:00 | terminate | 1: 4711 | `billing` | `billing` | gone |" in text
    assert "| 7 | 8 (did not fall) |" in text
    assert "not seen: 00-11, 13-23" in text
    assert text == chronicle(told())


def test_the_page_tells_the_same() -> None:
    seen = Seen(page(told()))
    words = " ".join(seen.text.split())
    for sentence in re.findall(r"^\*\*.*", chronicle(told()), re.MULTILINE):
        assert sentence.replace("*", "").replace("\\", "") in words
    assert seen.tags.count("svg") == 3
    assert "peak 12 at 12:09:00" in words
    assert "By application. Each step is the most that was in use within 1s;" in words


def test_what_was_done_says_whether_it_helped() -> None:
    totals = series([*[90] * 30, *[40] * 40])
    signals = [make_mark(NOW + 59, pid=pid) for pid in range(1, 21)] + [make_mark(NOW + 120, action="cancel")]
    found = usage(totals)
    assert found is not None
    text = chronicle(Story(totals, signals, found))
    assert "| 20: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, … |" in text
    assert "| 90 | 40 (fell by 50) |" in text
    assert "| 40 | 40 (did not fall) |" in text
    assert "No signal was sent" in chronicle(Story(totals, [], found))


def test_restarts_and_gaps_are_told() -> None:
    totals = [*series([5] * 20), *series([5] * 20, since=NOW + 500), *series([5] * 20, since=NOW + 700, started_at=NOW)]
    found = usage(totals)
    assert found is not None
    text = chronicle(Story(totals, [], found))
    assert "- The server was restarted between 2026-03-01 12:08:58 and 2026-03-01 12:11:40, not seen for 2 min" in text
    assert "- Not seen from 2026-03-01 12:00:38 to 2026-03-01 12:08:20, for 7 min" in text
    svg = history_svg(totals, [], "state")
    assert svg.count('class="unseen"') == 2
    assert svg.count('class="restart"') == 1


def test_literals_are_masked_unless_asked_for_and_passwords_always() -> None:
    for made in (chronicle, page):
        assert "id = ?" in made(told())
        assert "id = 42" in made(told(redact=False))
        assert "hunter2" not in made(told(query="ALTER ROLE a PASSWORD 'hunter2'", redact=False))


@pytest.mark.parametrize("name", [*HOSTILE, "</title></style></svg><script>", "\"' onload=x", "\x1b[2J\u202e"])
def test_nothing_breaks_out(name: str) -> None:
    """A report full of hostile texts has the same structure as one of plain ones."""

    def kinds(text: str) -> list[str]:
        return [one.type for token in GFM.parse(text) for one in (token, *(token.children or ()))]

    def structure(text: str) -> list[str]:
        return [kind for kind in kinds(text) if kind not in ("text", "code_inline", "text_special")]

    hostile, plain = told(name, name), told("billing", "billing")
    assert structure(chronicle(hostile)) == structure(chronicle(plain))
    assert "\x1b" not in chronicle(hostile)
    hostile_page, plain_page = Seen(page(hostile)), Seen(page(plain))
    assert hostile_page.tags == plain_page.tags
    assert not hostile_page.open
    assert hostile_page.attributes == plain_page.attributes
    assert "\u202e" not in page(hostile)


@settings(max_examples=20, deadline=None)
@given(histories(max_size=12), raw_text, st.data())
def test_any_history_makes_both_reports(history: list[Totals], name: str, data: st.DataObject) -> None:
    found = usage(history)
    assert found is not None
    signals = data.draw(marks(history[0].at, history[-1].at))
    totals = [*history[:-1], replace(history[-1], apps={**history[-1].apps, name: 3})]
    story = Story(totals, signals, found, at_end=Moment(poll(1, name), ()))
    assert chronicle(story)
    seen = Seen(page(story))
    assert set(seen.tags) <= TAGS
    assert not seen.open
    for svg in (history_svg(totals, signals, "app"), history_svg(totals, signals, "state"), hours_svg(found)):
        root = ElementTree.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert {one.tag.removeprefix(SVG) for one in root.iter()} <= TAGS


def test_the_page_is_whole_and_runs_nothing() -> None:
    text = page(told())
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "<script" not in text
    assert not re.search(r"(?:src|href|action)\s*=|url\(|@import|javascript:", text)
    assert set(re.findall(r"https?://[^\"<> ]*", text)) == {"http://www.w3.org/2000/svg"}
    # The policy allows no style in attributes.
    assert "style=" not in text
    assert "prefers-color-scheme: dark" in text


def test_hours_without_observation_are_unknown() -> None:
    found = usage([make_totals(NOW, 10), make_totals(NOW + 60, 20)])
    assert found is not None
    lines = hours(found)
    assert lines[0].startswith("12:00 █████")
    assert lines[0].endswith("10 on average, 20 at most")
    assert lines[1:] == ["not seen: 00-11, 13-23"]
    assert hours_svg(found).count(">?<") == 23


def record(path: Path, count: int = 10, signals: Sequence[Mark] = ()) -> None:
    recorder = Recorder.open(path)
    for number in range(count):
        snapshot = poll(number)
        recorder.add(Moment(snapshot, ()), Totals.of(snapshot, SlotBudget.of(snapshot)))
    for mark in signals:
        recorder.mark(mark)
    recorder.close()


def left_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


async def test_the_command_writes_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "incident.rec"
    record(path, signals=[make_mark(NOW + 300)])
    code, out, err = await run("report", str(path))
    assert (code, err) == (0, "")
    assert out.startswith("# Connections of `db.example:5432`\n")
    assert "12 of 20 slots at 2026-03-01 12:09:00" in out
    assert "`SELECT * FROM invoices WHERE id = ?`" in out
    assert "| terminate | 1: 4711 |" in out
    for options, environ in (([], {"PYTHONIOENCODING": "ascii"}), (["--ascii"], {})):
        code, out, err = await run("report", *options, str(path), environ=environ)
        assert (code, err) == (0, "")
        assert "12:00 ####" in out
        assert "#" * 20 in out[out.index("By state") :]
    code, out, err = await run("report", str(path), "--html", "--no-redact")
    assert (code, err) == (0, "")
    assert out.startswith("<!DOCTYPE html>")
    assert "id = 42" in out


async def test_a_file_takes_no_other_ones_place(tmp_path: Path) -> None:
    path, output = tmp_path / "incident.rec", tmp_path / "incident.html"
    record(path)
    code, out, err = await run("report", str(path), "-o", str(output))
    assert (code, out) == (0, "")
    assert "written to" in err
    assert output.read_text().startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    output.write_text("mine")
    code, _, err = await run("report", str(path), "-o", str(output))
    assert code == 2
    assert "is there already; --force replaces it" in err
    assert output.read_text() == "mine"
    code, _, _ = await run("report", str(path), "-o", str(output), "--force")
    assert code == 0
    assert output.read_text().startswith("<!DOCTYPE html>")
    assert left_in(tmp_path) == {path, output}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["report"], "required"),
        (["report", "/nonexistent.rec"], "No such file"),
        (["report", "x", "-o", "y.txt"], "expected a name that ends in .html"),
        (["report", "x", "-o", "y.md", "--html"], "is the name of Markdown"),
        (["report", "x.md", "-o", "x.md"], "take the place of its own recording"),
        (["report", "x", "--force"], "needs --output"),
        (["report", "pyproject.toml"], "not a recording"),
        (["report", "x", "--filter", "app:web"], "unrecognized option --filter"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_bad_input_is_one_clear_line(arguments: list[str], expected: str) -> None:
    code, out, err = await run(*arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert expected in err


async def test_what_is_damaged_is_said_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "incident.rec"
    record(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 3 // 4])
    code, out, err = await run("report", str(path))
    assert (code, err) == (0, "")
    assert "**Mind:** the recording is damaged or cut off after " in out
    path.write_bytes(raw[:60])
    code, out, err = await run("report", str(path))
    assert (code, out, len(err.splitlines())) == (2, "", 1)


class Broken:
    """A tape of which one poll, and the sessions of every moment, can't be read."""

    def __init__(self, totals: Sequence[Totals]) -> None:
        self.totals = totals
        self.times = [one.at for one in totals]
        self.marks = [make_mark(float("nan")), make_mark(1e300)]

    def moment(self, index: int) -> Moment:
        raise PgtopError("the sessions of that moment can't be read")


def test_what_no_calendar_has_is_left_out(tmp_path: Path) -> None:
    tape = Broken([make_totals(1e300), make_totals(float("nan")), *series([3, 9, 5], 60)])
    story = story_of(tape, None, Settings(), tmp_path / "none")
    assert [one.used for one in story.totals] == [3, 9, 5]
    assert story.marks == []
    text = chronicle(story)
    assert "Connections of an unknown server" in text
    assert "**Mind:** 2 polls are of times that no calendar has, and were left out." in text
    assert "**Mind:** the sessions of that moment can't be read." in text
    assert page(story)


def test_the_journal_tells_what_a_recording_without_a_screen_does_not(tmp_path: Path) -> None:
    def line(event: str, at: float, pid: int, **fields: object) -> str:
        about = {"os_user": "ann", "client_host": "laptop", "server": "db.example:5432", "action": "terminate"}
        document = {"at": datetime.fromtimestamp(at, UTC).isoformat(), "event": event, "pid": pid, **about, **fields}
        return json.dumps({"backend_start": None, "role": "app", "app": "web", **document})

    journal = tmp_path / "journal.jsonl"
    lines = [line("asked", NOW + at, pid) for at, pid in ((10, 1), (20, 2), (-900, 3))]
    lines += [line("asked", NOW + 20, 4, server="other:5432"), "damaged"]
    journal.write_text("\n".join(lines))
    found = journalled(journal, "db.example:5432", NOW, NOW + 60, [make_mark(NOW + 12, pid=1)])
    assert [(one.pid, one.at, one.role) for one in found] == [(2, NOW + 20, "app")]
    assert journalled(tmp_path / "none", "db.example:5432", NOW, NOW + 60, []) == []
