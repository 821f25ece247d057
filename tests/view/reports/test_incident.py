"""The incident report: its parts, and that nobody's names or queries can break out of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pgtop_conn.model.facts import Facts, RefusedLogins
from pgtop_conn.model.findings import Case, Cause, Effect, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.signalling.journal import Entry
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Backend, Snapshot
from pgtop_conn.model.text import clean
from pgtop_conn.storage.report_files import ReportNotWritten, recent_actions, write_report
from pgtop_conn.view.charts import text_chart
from pgtop_conn.view.format import iso
from pgtop_conn.view.reports.incident import Report, report
from pgtop_conn.view.reports.markdown import code, fence, prose, table
from pgtop_conn.view.table.groups import group_counts
from tests.support.data.factories import NOW, make_backend, make_own, make_server, make_snapshot

GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HOSTILE = [
    "x | y",
    "a\\| b",
    "`` ` ``",
    "```\n# heading\n",
    "</td><script>alert(1)</script>",
    "[click](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "<https://evil.example>",
    "https://evil.example",
    "www.evil.example",
    "me@evil.example @here #1",
    "**bold** _it_ ~~no~~",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "&lt;b&gt; &#124;",
    "| a | b |",
    "|---|---|",
    "a\\",
]


def tokens(text: str) -> Iterator[Token]:
    for token in GFM.parse(text):
        yield token
        yield from token.children or ()


def kinds(text: str) -> list[str]:
    return [token.type for token in tokens(text)]


def case_of(backends: Sequence[Backend], facts: Facts | None = None, *, polls: int = 30) -> Case:
    """A case that was watched for a while; the last backend came a poll ago."""
    observation = Observation(group_counts)
    rows = [make_own(), *backends]
    snapshot = make_snapshot(rows)
    for number in range(polls, 0, -1):
        earlier: Snapshot = make_snapshot(rows[:-1], taken_at=NOW - number)
        observation.add(earlier, SlotBudget.of(earlier))
    budget = SlotBudget.of(snapshot)
    observation.add(snapshot, budget)
    return Case.of(snapshot, budget, observation, facts or Facts(at=NOW))


def finding(name: str = "billing", query: str = "SELECT 1") -> Finding:
    return Finding(
        Cause.LEAK,
        Severity.CRITICAL,
        f"{name} holds 2 of 3",
        {"app": name, "count": 2, "statement": query, "oldest_idle_s": 4000.0, "idle_share": 0.5},
        (4711, 4712),
        (
            Remedy(RemedyKind.STEP, f"End {name}", Effect.NOW, "it frees 2 slots"),
            Remedy(RemedyKind.SQL, f"SELECT '{query}';", Effect.RELOAD, f"{name} comes back"),
        ),
    )


def entry(**fields: object) -> Entry:
    asked = {
        "at": iso(NOW - 10),
        "event": "asked",
        "slots_used": 2,
        "action": "terminate",
        "os_user": "ann",
        "client_host": "laptop",
        "server": "db.example:5432",
        "pid": 4711,
        "backend_start": iso(NOW - 3600),
        "role": "app",
        "app": "web",
        "chosen_by": "filter idle>10m",
        "reason": "leak",
    } | fields
    return Entry(asked, {"status": "signalled"}, {"at": iso(NOW - 5), "status": "gone", "slots_used": 1})


def test_every_part_is_there_in_order() -> None:
    facts = Facts(at=NOW, refused=(RefusedLogins(NOW - 3600, "full", 12),), refused_source="the server log")
    case = case_of([make_backend(4711), make_backend(4712, query="SELECT 'x'", app="billing")], facts)
    sizing = [Remedy(RemedyKind.PGBOUNCER, "pool_size = 3", Effect.NEW_SESSIONS, "peak 2")]
    text = report(Report(case, [finding()], sizing, [entry()], version="1.0"))
    headings = [line for line in text.split("\n") if line.startswith("#")]
    assert headings == [
        "# Connections of `db.example:5432`, 2026-03-01 12:00:00 UTC",
        "## The numbers",
        "## Slots in use over time",
        "## Who holds the slots",
        "## Findings",
        "### 1. Leak (critical)",
        "## What was done",
        "## Refused logins",
        "## What to apply",
        "### Now",
        "### After a reload",
        "## Sizing",
        "## What is not known",
        "## How this was made",
    ]
    assert "**Verdict (critical, leak):** billing holds 2 of 3" in text
    assert "| Slots in use | 3 of 100 (ok) |" in text
    assert "| 2026-03-01 11:00 | sorry, too many clients already … | 12 |" in text
    assert "| oldest idle | `1h06m` |" in text
    assert "Slots in use 2 before the first and 1 after the last of them" in text
    assert "`filter idle>10m` | `leak` |" in text
    assert "31 polls over 30s" in text
    assert text.endswith("server's clock.\n")
    assert text == report(Report(case, [finding()], sizing, [entry()], version="1.0"))


def test_signals_alike_are_one_line() -> None:
    actions = [entry(pid=pid) for pid in range(1, 21)] + [entry(pid=21, reason="other")]
    text = report(Report(case_of([make_backend()]), [], actions=actions))
    assert "| 20: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, … |" in text
    assert "| 1: 21 |" in text


def test_literals_are_masked_unless_asked_for_and_passwords_always() -> None:
    queries = ["SELECT 'PRIVATE', 42 FROM t", "ALTER ROLE a PASSWORD 'hunter2'", "SELECT dblink('password=hunter2')"]
    case = case_of([make_backend(4711 + number, query=query) for number, query in enumerate(queries)])
    found = replace(finding(), sessions=(4711, 4712, 4713))
    masked = report(Report(case, [found]))
    assert "`SELECT ?, ? FROM t`" in masked
    shown = report(Report(case, [found], redact=False))
    assert "`SELECT 'PRIVATE', 42 FROM t`" in shown
    for text in (masked, shown):
        assert "hunter2" not in text
    assert "PRIVATE" not in masked


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_breaks_out(name: str) -> None:
    """A report full of hostile texts has the same structure as one of plain ones."""

    def built(name: str) -> str:
        rows = [make_backend(4711, app=name, role=name, query=name, client=name), make_backend(4712, app=name)]
        facts = Facts(at=NOW, refused=(), refused_source=name or "log", troubles=(f"x {name}",))
        actions = [entry(role=name, app=name, reason=name, chosen_by=name, os_user=name)]
        return report(Report(case_of(rows, facts), [finding(clean(name), name)], [finding(name).remedies[1]], actions))

    text = built(name)
    found = kinds(text)
    assert not {"link_open", "image", "html_inline", "html_block", "s_open"} & set(found)
    plain = kinds(built("plain"))
    for kind in ("table_open", "tr_open", "td_open", "fence", "heading_open", "list_item_open", "blockquote_open"):
        assert found.count(kind) == plain.count(kind), kind
    assert found.count("strong_open") == plain.count("strong_open")
    assert found.count("em_open") == plain.count("em_open")


_TEXTS = st.text(st.sampled_from("`|\\\n<>[]()*_~&#$@:/.-+=!1aw \t"), max_size=30)


@given(_TEXTS)
def test_a_name_stays_in_its_span(name: str) -> None:
    inline = [token for token in tokens(f"x {code(name)} y") if token.type == "code_inline"]
    if name.strip():
        assert [token.content for token in inline] == [" ".join(name.split())]
    else:
        assert not inline


@given(_TEXTS)
def test_a_sentence_stays_text(sentence: str) -> None:
    shown = [token for token in GFM.parse(prose(sentence)) if token.type != "inline"]
    inline = [token for token in tokens(prose(sentence)) if token.type in ("text", "text_special", "code_inline")]
    if sentence.strip():
        assert [token.type for token in shown] == ["paragraph_open", "paragraph_close"]
    assert "".join("".join(token.content for token in inline).split()) == "".join(sentence.split())


@given(_TEXTS)
def test_a_fence_holds_what_it_was_given(text: str) -> None:
    found = [token for token in GFM.parse("\n".join(["a", *fence(text, "sql"), "b"])) if token.type == "fence"]
    assert [token.content.rstrip("\n") for token in found] == [text.rstrip("\n")]


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=4))
def test_a_table_keeps_its_cells(rows: list[tuple[str, str]]) -> None:
    text = "\n".join(table(("a", "b"), [(code(left), prose(right)) for left, right in rows]))
    found = kinds(text)
    assert found.count("td_open") == 2 * len(rows)
    assert found.count("tr_open") == 1 + len(rows)
    assert not {"link_open", "html_inline", "image"} & set(found)


def test_charts() -> None:
    rising = text_chart.chart([(NOW + second, second) for second in range(100)], 100, [(97, "refused")])
    assert rising[0].startswith("   100 ┤")
    assert rising[0].endswith("← 97 refused")
    assert rising[-1].split() == ["12:00:00", "12:01:39", "UTC"]
    assert all(len(line.split("┤")[1]) >= 10 for line in rising[1 : text_chart.HEIGHT])
    assert text_chart.chart([], 100) == []
    assert text_chart.chart([(NOW, 5)], 0) == []
    one = text_chart.chart([(NOW, 100)], 100)
    assert all("█" in line for line in one[: text_chart.HEIGHT])


def test_beginnings_are_a_lower_bound_of_what_was_there() -> None:
    sessions = [make_backend(pid, backend_start=NOW - pid) for pid in range(1, 51)]
    old = make_backend(99, backend_start=NOW - 10 * 86_400)
    points = text_chart.beginnings([*sessions, old], NOW)
    assert points[0] == (NOW - 120, 1)
    assert points[-1] == (NOW, 51)
    assert [count for _, count in points] == sorted(count for _, count in points)
    assert text_chart.beginnings([make_backend(1, backend_start=None)], NOW) == []


def test_a_report_takes_nobodys_place(tmp_path: Path) -> None:
    case = case_of([make_backend()])
    journal = tmp_path / "journal.jsonl"
    first = write_report(case, [finding()], journal, [tmp_path])
    assert first.name == "pgtop-conn-db-example-20260301T120000Z.md"
    assert first.stat().st_mode & 0o777 == 0o600
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "pgtop-conn-db-example-20260301T120000Z-1.md").symlink_to(victim)
    second = write_report(case, [finding()], journal, [tmp_path])
    assert second.name.endswith("-2.md")
    assert victim.read_text() == "mine"
    assert first.read_text() == second.read_text()


def test_a_folder_that_takes_nothing_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    case = case_of([make_backend()])
    assert write_report(case, [], tmp_path / "none", [file, tmp_path / "state"]).parent == tmp_path / "state"
    with pytest.raises(ReportNotWritten, match="was not written"):
        write_report(case, [], tmp_path / "none", [file])


def test_the_name_of_a_report_is_safe(tmp_path: Path) -> None:
    for host, part in (("/tmp", "local"), ("../..", "server"), ("fe80::1%eth0", "fe80--1-eth0"), ("ä b", "b")):
        case = case_of([make_backend()])
        case = replace(case, snapshot=replace_server(case.snapshot, host))
        assert write_report(case, [], tmp_path / "none", [tmp_path]).name.startswith(f"pgtop-conn-{part}-2026")


def replace_server(snapshot: Snapshot, host: str) -> Snapshot:
    return make_snapshot(snapshot.backends, server=make_server(host=host))


def test_only_this_servers_signals_of_the_last_day(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    snapshot = make_snapshot()
    assert recent_actions(journal, snapshot) == []
    lines = [dict(entry().asked), dict(entry(server="other:1").asked), dict(entry(at=iso(NOW - 90_000)).asked)]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "damage\n")
    found = recent_actions(journal, snapshot)
    assert found is not None
    assert [one.word("at") for one in found] == [iso(NOW - 10)]
    journal.unlink()
    journal.mkdir()
    assert recent_actions(journal, snapshot) is None
