"""Groups, lines and cells: what the table says of a snapshot, without a screen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.labels.labels import labels_of, tags_of
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.view.export.snapshot import CSV_COLUMNS, csv_rows, document
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.table.cells import cells, titles
from pgtop_conn.view.table.columns import GROUP_COLUMNS, SESSION_COLUMNS, fit
from pgtop_conn.view.table.groups import GROUPINGS, group, group_counts, rate_key
from pgtop_conn.view.table.lines import SORTS, Frame, LineKind, ViewState, build, index_of, targets_of
from tests.support.data.factories import (
    NOW,
    make_backend,
    make_background,
    make_hidden,
    make_own,
    make_role,
    make_server,
    make_snapshot,
    make_walsender,
)
from tests.support.data.strategies import snapshots


def busy() -> Snapshot:
    rows = [
        make_own(),
        *(make_backend(pid, app="billing", state_change=NOW - pid) for pid in range(100, 105)),
        make_backend(105, app="billing", state="idle in transaction", xact_start=NOW - 90),
        make_backend(106, app="billing", state="active", blocked_by=(105,)),
        make_backend(200, app="web", state="active"),
        make_walsender(300),
        make_background(400),
    ]
    return make_snapshot(rows)


def frame_of(snapshot: Snapshot, **options: object) -> Frame:
    return Frame(snapshot, SlotBudget.of(snapshot), Policy(), {}, **options)  # type: ignore[arg-type]


def texts(snapshot: Snapshot, view: ViewState, width: int = 118) -> list[str]:
    frame = frame_of(snapshot)
    return [" | ".join(cell.text.strip() for _, cell in cells(line, frame, width)) for line in build(frame, view)]


def test_groups_count_what_holds_a_slot_and_walsenders_stand_apart() -> None:
    snapshot = busy()
    budget = SlotBudget.of(snapshot)
    groups = group(snapshot.backends, GROUPINGS["app"], NOW, budget.used)
    assert [(g.name, g.count) for g in groups] == [("billing", 7), ("pgtop-conn", 1), ("web", 1), ("standby", 1)]
    billing = groups[0]
    assert (billing.active, billing.idle, billing.in_transaction, billing.blocked) == (1, 5, 1, 1)
    assert billing.oldest_idle_s == 104.0
    assert sum(g.share for g in groups) == pytest.approx(1.0)
    assert groups[-1].walsenders
    assert groups[-1].share == 0.0


@given(snapshots())
def test_every_grouping_holds_each_session_once(snapshot: Snapshot) -> None:
    budget = SlotBudget.of(snapshot)
    for grouping in GROUPINGS.values():
        groups = group(snapshot.backends, grouping, snapshot.taken_at, budget.used)
        slots = [g for g in groups if not g.walsenders]
        assert sum(g.count for g in slots) == sum(budget.states.values())
        for found in slots:
            assert sum(child.count for child in found.children) in (0, found.count)
            assert group_counts(snapshot.backends)[rate_key(found)] == found.count


@given(snapshots())
def test_every_line_of_any_snapshot_can_be_drawn_at_any_width(snapshot: Snapshot) -> None:
    frame = frame_of(snapshot)
    tops = frozenset(line.key for line in build(frame, ViewState()))
    view = ViewState(expanded=tops)  # type: ignore[arg-type]
    for line in build(frame, view):
        for width in (60, 80, 120, 300):
            for place, cell in cells(line, frame, width):
                assert place.width > 0
                assert place.x + place.width <= width
                assert "\n" not in cell.text
                assert "\x1b" not in cell.text


def test_a_closed_group_opens_to_states_and_then_to_sessions() -> None:
    snapshot = busy()
    assert len(texts(snapshot, ViewState())) == 4
    opened = ViewState(expanded=frozenset({("billing",), ("billing", "idle in transaction")}))
    lines = build(frame_of(snapshot), opened)
    assert [line.kind for line in lines if line.depth == 1] == [LineKind.GROUP] * 3
    assert [line.kind for line in lines if line.depth == 2] == [LineKind.HEADER, LineKind.SESSION]


def test_a_group_of_one_state_opens_straight_to_its_sessions() -> None:
    lines = build(frame_of(busy()), ViewState(expanded=frozenset({("web",)})))
    assert [line.kind for line in lines if line.depth == 1] == [LineKind.HEADER, LineKind.SESSION]


def test_background_processes_appear_only_when_asked_for() -> None:
    assert not any("checkpointer" in text for text in texts(busy(), ViewState()))
    asked = texts(busy(), ViewState(filter=parse("type:checkpointer")))
    assert any("checkpointer" in text for text in asked)


def test_the_filter_leaves_what_matches_and_a_group_signal_is_what_is_seen() -> None:
    view = ViewState(filter=parse("idle>102s app:billing"))
    lines = build(frame_of(busy()), view)
    assert len(lines) == 1
    assert {target.key.pid for target in targets_of(lines[0], view)} == {103, 104}
    assert targets_of(lines[0], view)[0].chosen_by == "group app=billing, filter idle>102s app:billing"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sort", SORTS)
def test_every_sort_keeps_every_line_and_walsenders_last(sort: str, reverse: bool) -> None:
    lines = build(frame_of(busy()), ViewState(sort=sort, reverse=reverse))
    assert {line.key for line in lines} == {line.key for line in build(frame_of(busy()), ViewState())}
    assert lines[-1].group is not None
    assert lines[-1].group.walsenders


def test_reverse_turns_the_order_round() -> None:
    def names(reverse: bool) -> list[str]:
        lines = build(frame_of(busy()), ViewState(sort="name", reverse=reverse))
        return [line.group.name for line in lines if line.group and not line.group.walsenders]

    assert names(False) == sorted(names(False))
    assert names(True) == sorted(names(True), reverse=True)


def test_the_cursor_finds_its_line_or_none() -> None:
    lines = build(frame_of(busy()), ViewState(sort="name"))
    assert index_of(lines, ("web",)) == 2
    assert index_of(lines, ("vanished",)) is None


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200, 300])
def test_columns_fit_their_width_and_never_overlap(width: int) -> None:
    for columns in (GROUP_COLUMNS, SESSION_COLUMNS):
        x = -1
        for place in fit(columns, width):
            assert place.x > x
            x = place.x + place.width
            assert x <= max(width, 46)


def test_labels_have_a_column_only_where_there_are_any() -> None:
    snapshot = make_snapshot(busy().backends, server=make_server(provider="Supabase"))
    opened = ViewState(filter=parse("app:web,standby"), grouping="client", expanded=frozenset({("10.2.0.17",)}))
    frame = frame_of(snapshot, tags=tags_of(snapshot, labels_of({"Web shop": "app:web"})))
    lines = build(frame, opened)

    def column(width: int) -> list[str]:
        return [
            cell.text for line in lines for place, cell in cells(line, frame, width) if place.column.name == "source"
        ]

    assert column(120) == ["Web shop", "SOURCE", "Web shop", "Other"]
    assert column(80) == []
    assert [cell.text for place, cell in titles(120, labelled=True)][:2] == ["   GROUP", "SOURCE"]
    assert "SOURCE" not in [cell.text for _, cell in titles(120)]
    plain = frame_of(busy())
    assert not [1 for line in build(plain, opened) for p, _ in cells(line, plain, 300) if p.column.name == "source"]


def test_marks_and_guards_are_readable_without_colour() -> None:
    rows = [make_own(), make_backend(1), make_backend(2, wrote=True)]
    snapshot = make_snapshot(rows)
    opened = ViewState(
        filter=parse("role:app,dba"), grouping="database", expanded=frozenset({("shop",), ("postgres",)})
    )
    found = "\n".join(texts(snapshot, opened))
    assert "999⊘" in found
    assert "2!" in found


def test_gauge_lines_say_the_same_as_the_budget() -> None:
    rows = [make_own(), *(make_backend(pid) for pid in range(1, 187))]
    server = make_server(max_connections=200, reserved=2)
    snapshot = make_snapshot(rows, server=server, roles=[make_role(connection_limit=190)])
    budget = SlotBudget.of(snapshot)
    slots = "".join(cell.text for cell in server_lines.slots_line(budget, History(), 120))
    assert "187/200" in slots
    assert "CRITICAL" in slots
    headroom = "".join(cell.text for cell in server_lines.headroom_line(budget, 120))
    assert "ordinary 8   reserved 2   superuser 3   app 186/190 (role limit)" in headroom
    for width in (60, 80, 120, 300):
        bar = server_lines.gauge_bar(budget, width)
        assert sum(len(cell.text) for cell in bar) == width
        for line in (server_lines.slots_line(budget, History(), width),):
            assert sum(len(cell.text) for cell in line) <= width


@given(snapshots())
def test_the_document_is_json_and_adds_up(snapshot: Snapshot) -> None:
    budget = SlotBudget.of(snapshot)
    found = document(snapshot, budget, Policy(), parse(""), "role")
    again = json.loads(json.dumps(found))
    assert sum(g["count"] for g in again["groups"]) == sum(again["states"].values())
    assert len(again["backends"]) == len(snapshot.backends)
    assert set(again["slots"]) == {
        "max",
        "used",
        "exact",
        "superuser_reserved",
        "reserved",
        "ordinary_free",
        "level",
        "authenticating",
        "walsenders",
    }


def test_csv_has_a_header_and_no_formulas() -> None:
    snapshot = make_snapshot([make_own(), make_backend(1, app="=1+1", query="@x", blocked_by=(7, 8))])
    header, _, row = csv_rows(snapshot, Policy(), snapshot.backends)
    fields = dict(zip(header, row, strict=True))
    assert (fields["pid"], fields["app"], fields["query"], fields["blocked_by"]) == ("1", "'=1+1", "'@x", "7 8")
    assert fields["guard"] == "allow"
    found = document(snapshot, SlotBudget.of(snapshot), Policy(), parse(""), "app")
    assert isinstance(found["backends"], list)
    # A spreadsheet keeps every digit of the number.
    assert [name for name in found["backends"][0] if name != "query_id_text"][:-1] == header[:-2]


def test_csv_of_nobody_is_a_header() -> None:
    assert [len(row) for row in csv_rows(make_snapshot(), Policy(), [])] == [len(CSV_COLUMNS)]


def test_what_is_hidden_is_never_shown_as_zero() -> None:
    snapshot = make_snapshot([make_own(), make_hidden(1, app="web"), make_hidden(2, app="web")])
    budget = SlotBudget.of(snapshot)
    line = "".join(cell.text for cell in server_lines.states_line(snapshot, budget, 120))
    assert "active ≥1   idle ?   in transaction ?   aborted ?   blocked ?   hidden 2" in line
    web = next(text for text in texts(snapshot, ViewState()) if "web" in text)
    assert web.count("?") == 4
    assert "·" not in web
    found = document(snapshot, budget, Policy(), parse(""), "app")
    assert isinstance(found["groups"], list)
    assert found["groups"][0]["states"] == {"hidden": 2}
    assert found["groups"][0]["in_transaction"] is None


def test_roles_locked_out_on_purpose_do_not_push_a_tight_limit_away() -> None:
    locked = [make_role(oid, f"locked{oid}", connection_limit=0) for oid in (201, 202, 203)]
    rows = [make_own(), *(make_backend(pid) for pid in range(1, 10))]
    snapshot = make_snapshot(rows, roles=[*locked, make_role(connection_limit=10)])
    line = "".join(cell.text for cell in server_lines.headroom_line(SlotBudget.of(snapshot), 120))
    assert "app 9/10 (role limit)" in line
    assert "locked" not in line
