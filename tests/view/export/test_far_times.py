"""Times beyond every calendar, as a hostile server or a broken clock sends them: no output fails, JSON stays JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.demo.server import Cluster
from pgtop_conn.model.errors import PgtopError
from pgtop_conn.model.filters.language import parse
from pgtop_conn.model.history.moments import Moment, Totals
from pgtop_conn.model.instants import utc
from pgtop_conn.model.quoting import timestamp
from pgtop_conn.model.signalling.guards import Policy
from pgtop_conn.model.slots import SlotBudget
from pgtop_conn.model.snapshot import BackendKey, Snapshot
from pgtop_conn.recording.recorder import Recorder
from pgtop_conn.recording.recording import Recording
from pgtop_conn.storage.report_files import stem_of
from pgtop_conn.view.export.check import Checked, Thresholds, plugin_line
from pgtop_conn.view.export.snapshot import csv_rows, document
from pgtop_conn.view.format import iso
from pgtop_conn.view.reports.incident import hour
from tests.support.data.factories import NOW, make_backend, make_own, make_snapshot
from tests.support.servers import Clients

INFINITE = float("inf")
FAR = (INFINITE, -INFINITE, 253_402_300_800.0, 9.3e12, 3.2e13, 1e300, -62_135_596_801.0, -2.1e11, -1e300, 0.0)
TIMES = st.one_of(st.sampled_from(FAR), st.floats(allow_nan=False), st.none())


@st.composite
def far_snapshots(draw: st.DrawFn) -> Snapshot:
    """A few sessions whose times are any."""
    rows = [
        replace(
            make_backend(pid, state=draw(st.sampled_from(["idle", "active", "idle in transaction"]))),
            key=BackendKey(pid, draw(TIMES)),
            xact_start=draw(TIMES),
            query_start=draw(TIMES),
            state_change=draw(TIMES),
        )
        for pid in range(1, draw(st.integers(1, 4)))
    ]
    taken_at = draw(st.one_of(st.sampled_from((NOW, *FAR)), st.floats(allow_nan=False)))
    return replace(make_snapshot([make_own(), *rows]), taken_at=taken_at)


@given(far_snapshots())
def test_json_csv_and_the_line_of_check_are_whole(snapshot: Snapshot) -> None:
    budget = SlotBudget.of(snapshot)
    told = document(snapshot, budget, Policy(), parse(""), "app")
    assert json.loads(json.dumps(told, allow_nan=False)) == json.loads(json.dumps(told))
    csv_rows(snapshot, Policy(), snapshot.backends)
    line, _ = plugin_line(Checked(snapshot, budget), Thresholds({}, {}))
    data = line.partition("|")[2]
    assert "inf" not in data
    assert "nan" not in data
    assert stem_of(snapshot).isascii()
    for at in (snapshot.taken_at, *(one.key.backend_start or 0.0 for one in snapshot.backends)):
        assert utc(at)
        assert hour(at)


@given(snapshot=far_snapshots())
def test_a_recording_of_them_is_read_or_refused(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("far") / "r"
    recorder = Recorder.open(path)
    try:
        recorder.add(Moment(snapshot, ()), Totals.of(snapshot, SlotBudget.of(snapshot)))
    except PgtopError as error:
        assert "gives no time" in str(error)  # noqa: PT017
        return
    finally:
        recorder.close()
    with Recording.open(path) as recording:
        assert recording.ends is None
        assert recording.moment(0).snapshot.taken_at == snapshot.taken_at


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001
def test_times_of_a_calendar_are_as_python_writes_them(moment: datetime) -> None:
    # A float of that size keeps milliseconds and more.
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert iso(seconds) == f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def test_times_beyond_it_are_as_javascript_writes_them() -> None:
    assert iso(253_402_300_800.0) == "+010000-01-01T00:00:00.000000Z"
    assert iso(-62_167_219_201.0) == "-000001-12-31T23:59:59.000000Z"
    assert (iso(INFINITE), iso(-1e300)) == ("infinity", "-infinity")


async def test_the_server_reads_them_as_they_were_meant(cluster: Cluster, clients: Clients) -> None:
    session = await clients(cluster)
    for at in (NOW + 0.25, 253_402_300_800.0, 9.2e12, -62_135_596_801.0, -2.1e11, 0.0):
        assert await session.fetchval(f"SELECT {timestamp(at)}::timestamptz = to_timestamp({at!r}::float8)"), at
    assert await session.fetchval(f"SELECT {timestamp(INFINITE)}::timestamptz = 'infinity'")
