"""No drawn line is wider than its room or holds a control character, whatever names and queries the server has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from pgtop_conn.model.diagnosis import diagnose
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.findings import Case
from pgtop_conn.model.history.observation import Observation
from pgtop_conn.model.history.trend import History
from pgtop_conn.model.remedies.sizing import sizing
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.signalling.plan import make_plan
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import Snapshot
from pgtop_conn.model.source import Action, Target
from pgtop_conn.model.text import clean
from pgtop_conn.tui.dialogs.diagnosis import FindingList, blocks_of, finding_line
from pgtop_conn.tui.widgets.pieces import Pieces, Row, columns, flowing, wrapped
from pgtop_conn.view.dialogs import diagnosis
from pgtop_conn.view.dialogs import plan as plans
from pgtop_conn.view.dialogs import session as detail
from pgtop_conn.view.status import server_lines
from pgtop_conn.view.status.server_lines import ScreenStatus
from pgtop_conn.view.table.cells import cells, titles
from pgtop_conn.view.table.groups import GROUPINGS, group, group_counts
from pgtop_conn.view.table.heading import heading
from pgtop_conn.view.table.lines import Frame, ViewState, build
from tests.support.data.factories import make_backend, make_own, make_snapshot
from tests.support.data.strategies import raw_text, snapshots

WIDTHS = st.integers(40, 300)
MODEST = settings(max_examples=40)
#: What Unicode files under controls, formats, surrogates, private use and separators of lines.
FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})

#: Texts that terminals and width tables disagree about, or that steer a terminal.
HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\n\t",
    "日本語アプリケーションの名前" * 3,
    "e\u0301\u0323" * 20,
    "👩\u200d👩\u200d👧 🏽 🇩🇪 ❤\ufe0f " * 4,
    "\u202emoc.elgoog\u202c \u2066x\u2069 \u200b\u200e",
    "עברית العربية",
    "[/foo][@click=app.quit]x[/]",
    "x" * 63,
)


def crowd(texts: Sequence[str] = HOSTILE) -> Snapshot:
    """One session each with such a text everywhere the server has a text."""
    rows = [make_own()]
    for number, raw in enumerate(texts):
        text = clean(raw)
        oid = 20_000 + number
        rows.append(
            make_backend(100 + number, role=text, role_oid=oid, database=text, app=text, query=text, client=text[:40])
        )
    return make_snapshot(rows)


def assert_drawable(pieces: Pieces, width: int) -> None:
    line = "".join(text for text, _ in pieces)
    assert cell_len(line) == width, (cell_len(line), width, line)
    assert sum(cell_len(text) for text, _ in pieces) == width
    wrong = [char for char in line if unicodedata.category(char) in FORBIDDEN]
    assert not wrong, (wrong, line)


def assert_flowing(rows: Iterable[Row], width: int, wrap: int | None = None) -> None:
    for row in rows:
        for line in [row] if wrap is None else wrapped(row, width, wrap):
            assert_drawable(flowing(line, width), width)


def frame_of(snapshot: Snapshot, *, ascii_only: bool = False) -> Frame:
    return Frame(snapshot, SlotBudget.of(snapshot), Policy(), {}, ascii=ascii_only)


@MODEST
@given(snapshots(), WIDTHS, st.sampled_from(sorted(GROUPINGS)), st.booleans())
@example(crowd(), 40, "app", False)
@example(crowd(), 120, "query", False)
@example(crowd(), 300, "source", True)
def test_lines_of_the_table(snapshot: Snapshot, width: int, grouping: str, ascii_only: bool) -> None:
    frame = frame_of(snapshot, ascii_only=ascii_only)
    closed = build(frame, ViewState(grouping=grouping))
    paths = frozenset(line.group.path for line in closed if line.group is not None)
    children = frozenset(child.path for line in closed if line.group is not None for child in line.group.children)
    assert_drawable(columns(titles(width), width), width)
    for line in build(frame, ViewState(grouping=grouping, expanded=paths | children, filter=parse(""))):
        assert_drawable(columns(cells(line, frame, width), width, ascii_only=ascii_only), width)


@MODEST
@given(snapshots(), WIDTHS, st.booleans())
@example(crowd(), 40, False)
@example(crowd(), 80, True)
def test_lines_above_the_table(snapshot: Snapshot, width: int, ascii_only: bool) -> None:
    budget, history = SlotBudget.of(snapshot), History()
    status = ScreenStatus(interval_s=2.0)
    largest = next(iter(group(snapshot.backends, GROUPINGS["app"], snapshot.taken_at, budget.used)), None)
    observation = Observation(group_counts)
    observation.add(snapshot, budget)
    rows = [
        server_lines.server_line(snapshot, budget, status, width),
        server_lines.slots_line(budget, history, width, ascii_only=ascii_only),
        server_lines.headroom_line(budget, width),
        server_lines.states_line(snapshot, budget, width),
        server_lines.notice_line(snapshot, largest, 2.0, status, history, width, observation.leaks(snapshot)),
        server_lines.notice_line(snapshot, largest, 2.0, status, history, width),
    ]
    assert_flowing(rows, width)


@MODEST
@given(raw_text, WIDTHS, st.sampled_from(sorted(GROUPINGS)), st.booleans())
@example("日本語アプリケーションの名前" * 4, 80, "app", False)
def test_the_heading(text: str, width: int, grouping: str, ascii_only: bool) -> None:
    quoted = clean(text).replace('"', "").replace("\\", "").strip()
    view = ViewState(grouping=grouping, filter=parse(f'app:"{quoted}"') if quoted else parse(""), leaks_only=True)
    assert_flowing([heading(view, width, ascii_only=ascii_only)], width)


@MODEST
@given(snapshots(max_size=6), WIDTHS)
@example(crowd(), 40)
def test_the_detail_pane(snapshot: Snapshot, width: int) -> None:
    for backend in snapshot.backends:
        rows = [*detail.detail(backend, snapshot, Policy()), *detail.query_rows(backend)]
        assert_flowing(rows, width, detail.LABEL_WIDTH)


@MODEST
@given(snapshots(max_size=12), WIDTHS, st.sampled_from(Action))
@example(crowd(), 40, Action.TERMINATE)
def test_the_question_before_a_kill(snapshot: Snapshot, width: int, action: Action) -> None:
    chosen = [Target.of(backend, "group app=web") for backend in snapshot.backends]
    plan = make_plan(action, chosen, snapshot, Policy(), bulk=len(chosen) > 1)
    rows = [*plans.breakdown(plan), plans.ages(plan, snapshot.taken_at), *plans.cautions(plan), *plans.exclusions(plan)]
    rows += [plans.session_line(item, snapshot.taken_at) for item in plan.planned]
    assert_flowing(rows, width, 10)
    assert_flowing([plans.headroom(plan, plans.relief_of(plan, snapshot)) if plan.planned else []], width)


@MODEST
@given(snapshots(max_size=20), WIDTHS)
@example(crowd(), 40)
def test_the_diagnosis(snapshot: Snapshot, width: int) -> None:
    budget, observation = SlotBudget.of(snapshot), Observation(group_counts)
    observation.add(snapshot, budget)
    case = Case.of(snapshot, budget, observation)
    found = FindingList()
    for section in diagnosis.sections(case, diagnose(case), sizing(case), "reading"):
        found.show([finding_line(section)])
        assert_drawable(found.pieces(0, width), width)
        for block in blocks_of(section):
            assert_flowing(block.rows, width, block.wrap)
