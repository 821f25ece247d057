"""The diagnosis with its remedies, and the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from pgtop_conn.model.errors import SourceLost
from pgtop_conn.model.facts import Facts, RefusedLogins
from pgtop_conn.model.findings import Case, Cause, Effect, Finding, Remedy, RemedyKind, Severity
from pgtop_conn.model.labels.labels import Label
from pgtop_conn.model.snapshot import IN_TRANSACTION
from pgtop_conn.tui.dialogs.blockers import Blockers
from pgtop_conn.tui.dialogs.diagnosis import Diagnosis
from pgtop_conn.view.dialogs.diagnosis import filter_of
from pgtop_conn.view.findings import evidence
from tests.support.data.factories import NOW, make_backend
from tests.support.data.shop import (
    BLOCKER,
    FACTS,
    LEAK,
    LIMIT,
    OPEN,
    RESERVE,
    TIMEOUT,
    dialog_of,
    listed,
    shop,
    text_of,
)
from tests.support.fake_source import monitor, on_main, screen_text, toasts, until
from tests.support.stores import Reports


@pytest.mark.usefixtures("diagnosed")
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_findings_are_listed_with_evidence_and_remedies(size: tuple[int, int]) -> None:
    async with monitor(shop(), size=size) as (app, _, pilot):
        await pilot.press("d")
        dialog = dialog_of(app)
        lines = screen_text(app)
        assert all(cell_len(line) == size[0] for line in lines)
        assert lines[0].startswith(" Diagnosis   3 findings")
        assert lines[1].startswith(" CRITICAL leak                 billing holds 4 of 7")
        assert lines[2].startswith(" WARNING  blocker")
        assert lines[3].startswith(" INFO     reserve")
        if size != (60, 15):
            text = " ".join(text_of(app).split())
            assert " ".join(f"{name} {value}" for name, value in evidence(LEAK)) in text
            assert '1 SQL for new sessions only ALTER ROLE "app" CONNECTION LIMIT 20;' in text
        await pilot.press("down")
        assert dialog.section.finding is BLOCKER
        await pilot.press("escape")
        assert on_main(app)


@pytest.mark.usefixtures("diagnosed")
async def test_facts_come_while_polls_wait_and_bring_their_remedies() -> None:
    async with monitor(shop()) as (app, source, pilot):
        source.known = FACTS
        source.facts_held.clear()
        await pilot.press("d")
        assert "reading settings and log" in text_of(app)
        assert "SIZING" not in text_of(app)
        # The question of the poll that is open is answered, then the facts have their turn.
        await source.tick(pilot, shop(NOW + 2))
        await until(lambda: source.facts_asked == 1)
        source.facts_held.set()
        await until(lambda: not app.main.diagnosing.facts.reading)
        await pilot.pause()
        assert source.most_asking == 1
        assert "settings and log read" in text_of(app)
        assert "SIZING" in text_of(app)
        await pilot.press("escape", "d", "end")
        assert source.facts_asked == 1


@pytest.mark.usefixtures("diagnosed")
async def test_facts_that_cannot_be_read_are_told_and_the_diagnosis_stays() -> None:
    async with monitor(shop()) as (app, source, pilot):
        source.known = SourceLost("the server went away")
        await pilot.press("d")
        await source.tick(pilot, shop(NOW + 2))
        await until(lambda: bool(app.main.diagnosing.facts.trouble))
        await pilot.pause()
        assert "settings and log not read: the server went away" in text_of(app)
        assert "CRITICAL leak" in text_of(app)


@pytest.mark.usefixtures("diagnosed")
async def test_remedies_are_chosen_and_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    async with monitor(shop()) as (app, _, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await pilot.press("d", "y", "right", "down", "y", "left", "down", "y")
        assert copied == [LIMIT.text, TIMEOUT.text]
        assert "Copied: ALTER SYSTEM SET idle_session_timeout = '10min'; and 1 more line" in toasts(app)
        assert "Nothing to copy here" in toasts(app)


async def test_the_choice_stays_on_its_finding_when_another_comes_before_it(diagnosed: list[Finding]) -> None:
    async with monitor(shop()) as (app, source, pilot):
        await pilot.press("d", "down")
        dialog = dialog_of(app)
        diagnosed.insert(0, Finding(Cause.TRAFFIC, Severity.CRITICAL, "90 active", {"active": 90}))
        await source.tick(pilot, shop(NOW + 2))
        await source.tick(pilot, shop(NOW + 4))
        assert dialog.section.finding is BLOCKER
        diagnosed.remove(BLOCKER)
        await source.tick(pilot, shop(NOW + 6))
        assert app.is_running


async def test_until_one_is_chosen_the_most_important_finding_is_shown(diagnosed: list[Finding]) -> None:
    async with monitor(shop()) as (app, source, pilot):
        await pilot.press("d")
        assert dialog_of(app).section.finding is LEAK
        diagnosed.insert(0, Finding(Cause.TRAFFIC, Severity.CRITICAL, "90 active", {"active": 90}))
        await source.tick(pilot, shop(NOW + 2))
        await source.tick(pilot, shop(NOW + 4))
        assert dialog_of(app).section.title == "active sessions"


async def test_polls_wait_while_it_is_read_or_held(diagnosed: list[Finding]) -> None:
    async with monitor(shop()) as (app, source, pilot):
        await pilot.press("d", "enter")
        await source.tick(pilot, shop(NOW + 2))
        await until(lambda: not app.main.diagnosing.facts.reading)
        diagnosed.remove(BLOCKER)
        await source.tick(pilot, shop(NOW + 4))
        assert "WARNING  blocker" in text_of(app)
        assert "held while it is read" in text_of(app)
        await pilot.press("escape", "p")
        assert not on_main(app)
        diagnosed.remove(RESERVE)
        await source.tick(pilot, shop(NOW + 6))
        assert "INFO     reserve" in text_of(app)
        await pilot.press("p")
        assert "INFO     reserve" not in text_of(app)
        assert "WARNING  blocker" not in text_of(app)


@pytest.mark.usefixtures("leaking", "diagnosed")
async def test_s_shows_the_sessions_of_a_finding() -> None:
    async with monitor(shop(), view=OPEN) as (app, _, pilot):
        await pilot.press("d", "s")
        assert on_main(app)
        assert app.main.state.view.filter.text == "leak:yes app:billing role:app db:shop"
        assert listed(app) == {1, 2, 3}
        await pilot.press("d", "down", "s")
        assert app.main.state.view.filter.text == "pid:5,6"
        await pilot.press("d", "end", "escape", "d", "down", "down", "s")
        assert "no sessions in particular" in toasts(app)


def test_filters_of_findings_hold_any_name() -> None:
    for name in ("a b", 'quo"te', "a,b", "", "grün", "x*"):
        found = Finding(Cause.ROLE_LIMIT, Severity.WARNING, "", {"name": name})
        words = filter_of(found)
        app = Label.of("checked", words)
        assert app.wanted.matches(make_backend(1, role=name), NOW)
        assert not app.wanted.matches(make_backend(1, role=f"other{name}"), NOW)


async def test_nothing_wrong_says_what_was_looked_for(diagnosed: list[Finding]) -> None:
    diagnosed.clear()
    async with monitor(shop()) as (app, source, pilot):
        refused = (
            RefusedLogins(NOW - 3600.0, "full", 20),
            RefusedLogins(NOW - 3600.0, "role", 3),
            RefusedLogins(NOW, "full", 1),
        )
        source.known = Facts(at=NOW, settings=FACTS.settings, refused=refused, refused_source="postgresql.log")
        await pilot.press("d")
        text = text_of(app)
        assert "nothing is wrong" in text
        assert "idle in transaction, waiting for clients, oversized pool" in text
        await source.tick(pilot, shop(NOW + 2))
        await until(lambda: not app.main.diagnosing.facts.reading)
        await pilot.pause()
        assert "REFUSED" in text_of(app)
        assert "24 logins refused in 24 h: full 21, role 3" in text_of(app)
        await pilot.press("down")
        assert "11:00 UTC" in text_of(app)


async def test_hostile_text_in_findings_is_neither_markup_nor_control(diagnosed: list[Finding]) -> None:
    evil = "[/foo] [@click=app.quit]x[/] 日本語"
    remedy = Remedy(RemedyKind.STEP, f"{evil}\n\t{evil}" * 9, Effect.NOW, evil)
    diagnosed[:] = [Finding(Cause.LEAK, Severity.CRITICAL, evil * 5, {evil: evil, "app": evil}, (1,), (remedy,) * 3)]
    for size in ((120, 36), (80, 24), (40, 12)):
        async with monitor(shop(), size=size, ascii=True) as (app, _, pilot):
            for key in ("d", "enter", "down", "pagedown", "y", "p", "escape"):
                await pilot.press(key)
                assert all(cell_len(line) == size[0] for line in screen_text(app)), (size, key)
            assert app.is_running


# The report.


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Case, tuple[Finding, ...]], Path]:
    def write(case: Case, findings: tuple[Finding, ...]) -> Path:
        path = tmp_path / "report.md"
        path.write_text(f"{len(findings)} findings of {case.budget.used}, {len(case.facts.settings)} settings")
        return path

    return write


@pytest.mark.usefixtures("diagnosed")
async def test_w_writes_a_report_from_the_table_and_from_the_diagnosis(
    written: Callable[[Case, tuple[Finding, ...]], Path], tmp_path: Path
) -> None:
    for keys in (("w",), ("d", "w")):
        async with monitor(shop(), reports=Reports(written)) as (app, source, pilot):
            source.known = FACTS
            await pilot.press(*keys)
            await source.serve(pilot, shop(NOW + 2), lambda app=app: "Report written" in toasts(app))  # type: ignore[misc]
            assert str(tmp_path / "report.md") in toasts(app)
            assert (tmp_path / "report.md").read_text() == "3 findings of 7, 1 settings"
            (tmp_path / "report.md").unlink()


@pytest.mark.usefixtures("diagnosed")
async def test_a_report_that_cannot_be_written_is_told() -> None:
    def refuse(_case: Case, _findings: tuple[Finding, ...]) -> Path:
        raise PermissionError(13, "Permission denied")

    async with monitor(shop(), reports=Reports(refuse)) as (app, source, pilot):
        await pilot.press("w")
        await source.serve(pilot, shop(NOW + 2), lambda: "No report was written" in toasts(app))
        assert "Permission denied" in toasts(app)
    async with monitor(shop()) as (app, _, pilot):
        await pilot.press("w")
        assert "No report can be written" in toasts(app)


def test_a_leak_in_a_transaction_says_both() -> None:
    from pgtop_conn.view.table.columns import STATE_LEAKED

    assert all(len(words) <= 10 for words in STATE_LEAKED.values())
    assert STATE_LEAKED[IN_TRANSACTION] == "in tx leak"


async def test_a_key_that_a_remedy_names_is_pressed_from_the_diagnosis(diagnosed: list[Finding]) -> None:
    diagnosed[:] = [LEAK]
    async with monitor(shop(), size=(120, 36)) as (app, _source, pilot):
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Diagnosis))
        await pilot.press("b")
        await until(lambda: isinstance(app.screen, Blockers))
        await pilot.press("escape")
        await until(lambda: on_main(app))
