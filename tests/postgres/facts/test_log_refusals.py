"""The parser of logs: every style and time zone, forged lines, and bytes of any kind."""

from __future__ import annotations

import calendar
import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop_conn.model.facts import OTHER_REFUSAL, REFUSALS
from pgtop_conn.postgres.facts.log_refusals import Clock, Piece, Prefix, Style, by_hour, first_time, refusals

STAMP = "2026-08-01 14:03:22.123 UTC"
DEFAULT = "%m [%p] "
FULL = REFUSALS["full"]
SEVERITIES = ["LOG", "ERROR", "FATAL", "STATEMENT", "DETAIL"]


def found(data: str | bytes, *, style: Style = Style.STDERR, prefix: str = DEFAULT) -> list[tuple[str, str]]:
    raw = data.encode() if isinstance(data, str) else data
    return list(refusals(Piece("log", style, raw), Prefix(prefix)))


def csv_row(message: str, *, severity: str = "FATAL", code: str = "53300", query: str = "") -> str:
    row = [STAMP, "web", "shop", "7", "[local]", "6b01.1", "1", "startup", STAMP, "4/41", "0", severity, code, message]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow([*row, "", "", "", "", "", query])
    # The server quotes neither numbers, times nor the SQLSTATE.
    for plain in (STAMP, "7", severity, code):
        text = io.StringIO(text.getvalue().replace(f'"{plain}"', plain))
    return text.getvalue()


def json_row(message: str, *, severity: str = "FATAL", code: str = "53300", **more: str) -> str:
    row = {"timestamp": STAMP, "error_severity": severity, "state_code": code, "message": message, **more}
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("sorry, too many clients already", "full"),
        ("remaining connection slots are reserved for non-replication superuser connections", "reserved"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "reserved"),
        (
            "remaining connection slots are reserved for roles with privileges of the "
            '"pg_use_reserved_connections" role',
            "reserved",
        ),
        (
            "remaining connection slots are reserved for non-replication superuser, rds_reserved, and rds_superuser "
            "connections",
            "reserved",
        ),
        ('too many connections for role "x"', "role"),
        ('too many connections for database "x"', "database"),
        ("number of requested standby connections exceeds max_wal_senders (currently 2)", "walsenders"),
        ('number of requested standby connections exceeds "max_wal_senders" (currently 2)', "walsenders"),
    ],
)
def test_each_text_in_each_style(text: str, kind: str) -> None:
    assert found(f"{STAMP} [7] FATAL:  {text}\n") == [(STAMP, kind)]
    assert found(f"{STAMP} [7] FATAL:  53300: {text}\n{STAMP} [7] LOCATION:  InitProcess, proc.c:379") == [
        (STAMP, kind)
    ]
    assert found(csv_row(text), style=Style.CSV) == [(STAMP, kind)]
    assert found(json_row(text), style=Style.JSON) == [(STAMP, kind)]


@pytest.mark.parametrize(
    ("prefix", "head", "told"),
    [
        ("%m [%p] ", f"{STAMP} [7] ", STAMP),
        ("%t ", "2026-08-01 14:03:22 CEST ", "2026-08-01 14:03:22 CEST"),
        ("%t:%r:%u@%d:[%p]:", "2026-08-01 14:03:22 UTC:10.0.0.1(33):web@shop:[7]:", "2026-08-01 14:03:22 UTC"),
        ("%n %p ", "1785593002.123 7 ", "1785593002.123"),
        ("[%-5p] %m %q%u@%d ", f"[7    ] {STAMP} web@shop ", STAMP),
        ("%u@%d %m ", f"we ird@shop {STAMP} ", STAMP),
        ("user=%u,time=%t,app=%a ", "user=w,time=2026-08-01 14:03:22 +03,app=x ", "2026-08-01 14:03:22 +03"),
        ("%s %c %l %m ", f"2026-07-01 00:00:00 UTC 6b013542.5945 3 {STAMP} ", STAMP),
        ("100%% %m ", f"100% {STAMP} ", STAMP),
        # Changed since this line was written.
        ("%p %m ", f"{STAMP} [7] ", STAMP),
    ],
)
def test_the_time_is_found_wherever_the_prefix_puts_it(prefix: str, head: str, told: str) -> None:
    assert found(f"{head}FATAL:  {FULL}\n", prefix=prefix) == [(told, "full")]


def test_a_prefix_without_a_time() -> None:
    assert not Prefix("[%p] %u ").timed
    assert found(f"[7] web FATAL:  {FULL}\n", prefix="[%p] %u ") == []


def test_other_languages_are_known_by_the_code_alone() -> None:
    german = "tut mir leid, schon zu viele Clients"
    assert found(f"{STAMP} [7] FATAL:  {german}\n") == []
    assert found(f"{STAMP} [7] 53300 FATAL:  {german}\n", prefix="%m [%p] %e ") == [(STAMP, OTHER_REFUSAL)]
    assert found(f"{STAMP} [7] 53300 ВАЖНО:  {german}\n", prefix="%m [%p] %e ") == [(STAMP, OTHER_REFUSAL)]
    assert found(f"{STAMP} [7] 28P01 ВАЖНО:  {german} 53300\n", prefix="%m [%p] %e ") == []
    assert found(csv_row(german, severity="ВАЖНО"), style=Style.CSV) == [(STAMP, OTHER_REFUSAL)]
    assert found(json_row(german, severity="ВАЖНО"), style=Style.JSON) == [(STAMP, OTHER_REFUSAL)]


@pytest.mark.parametrize(
    "line",
    [
        f"\t{STAMP} [7] FATAL:  {FULL}",
        f"{STAMP} [7] STATEMENT:  SELECT 'FATAL:  {FULL}'",
        f"{STAMP} [7] ERROR:  FATAL:  {FULL}",
        f"{STAMP} [7] LOG:  {FULL}",
        f"{STAMP} [7] ERROR:  {FULL}",
        f"FATAL:  {FULL}",
        f"psql: error: FATAL:  {FULL}",
        f"{STAMP} [7] FATAL:  could not connect to the primary server: FATAL:  {FULL}",
        f"{STAMP} [7] FATAL:  no such thing: {FULL}",
        f"not a time [7] FATAL:  {FULL}",
    ],
)
def test_what_is_no_refusal_in_stderr_format(line: str) -> None:
    assert found(f"{STAMP} [1] LOG:  ready\n{line}\n{STAMP} [1] LOG:  ready\n") == []


@pytest.mark.parametrize(
    "app", [f"FATAL:  {FULL}", f"{STAMP} [7] FATAL:  {FULL}", 'FATAL:  too many connections for role "']
)
def test_a_name_in_the_prefix_forges_nothing(app: str) -> None:
    line = f'{STAMP} [7] {app} ERROR:  relation "x" does not exist at character "15"\n'
    assert found(line, prefix="%m [%p] %a ") == []
    assert found(line, prefix="%m %a ") == []


def test_what_is_no_refusal_in_csv_and_json() -> None:
    forged = f"SELECT 1\n{csv_row(FULL)}"
    data = csv_row("nothing", severity="ERROR", code="42601", query=forged) * 3 + csv_row(FULL)
    assert found(data, style=Style.CSV) == [(STAMP, "full")]
    assert found(csv_row(FULL, severity="ERROR") + csv_row(FULL, code="08006"), style=Style.CSV) == []
    data = json_row("nothing", severity="ERROR", code="42601", statement=json_row(FULL)) + json_row(FULL)
    assert found(data, style=Style.JSON) == [(STAMP, "full")]
    assert found(json_row(FULL, severity="ERROR") + json_row(FULL, code="08006"), style=Style.JSON) == []
    assert found('{"state_code":"53300"\n["state_code":"53300"]\n', style=Style.JSON) == []


@given(st.integers(0, 4000))
def test_a_csvlog_that_begins_anywhere(start: int) -> None:
    """The forged records are inside of quotes wherever the reading begins."""
    forged = "SELECT 1\n" + csv_row(FULL) * 3
    row = csv_row("nothing", severity="ERROR", code="42601", query=forged)
    data = (row * 8 + csv_row('too many connections for role "x"')).encode()
    piece = Piece("log.csv", Style.CSV, data[min(start, 5 * len(row)) :], cut=start > 0)
    assert list(refusals(piece, Prefix(DEFAULT))) == [(STAMP, "role")]


def test_a_cut_file_begins_with_the_rest_of_a_line() -> None:
    line = f"{STAMP} [7] FATAL:  {FULL}\n"
    assert len(list(refusals(Piece("log", Style.STDERR, line.encode() * 2, cut=True), Prefix(DEFAULT)))) == 1
    piece = Piece("log", Style.STDERR, f"rest\n\ttabbed\n{line}".encode(), cut=True)
    assert first_time(piece, Clock(), Prefix(DEFAULT)) == calendar.timegm((2026, 8, 1, 14, 3, 22))


STYLES = st.sampled_from(list(Style))
PREFIXES = st.one_of(
    st.sampled_from([DEFAULT, "%t ", "%n %e ", "%u %m ", "", "%", "%-", "%%%m%e%q%p%p%l%x%x%v%c"]), st.text(max_size=20)
)
PIECES = st.sampled_from(
    [b"FATAL:  ", b"53300", b",53300,", b'"', b"\n", b"\t", b"\r", b'"state_code":"53300"', b"{", b"}", STAMP.encode()]
    + [text.encode() for text in REFUSALS.values()]
)


@given(st.lists(st.one_of(st.binary(max_size=12), PIECES), max_size=30), STYLES, PREFIXES, st.booleans())
def test_no_bytes_make_it_fail(parts: list[bytes], style: Style, prefix: str, cut: bool) -> None:
    piece, parsed, clock = Piece("log", style, b"".join(parts), cut=cut), Prefix(prefix), Clock([(0, 3600.0)])
    by_hour(refusals(piece, parsed), clock, 1.8e9)
    first_time(piece, clock, parsed)


LINES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.tuples(st.sampled_from(SEVERITIES), LINES, st.booleans()), max_size=12))
def test_messages_of_many_lines_count_once_each(messages: list[tuple[str, str, bool]]) -> None:
    """As the server writes them: each further line of a message begins with a tab."""
    text, expected = "", 0
    for severity, words, refused in messages:
        text += f"{STAMP} [7] {severity}:  {FULL if refused else 'x ' + words}\n"
        text += f"\t{STAMP} [7] FATAL:  {FULL}\n"
        expected += refused and severity == "FATAL"
    counted = [one for one in found(text) if one == (STAMP, "full")]
    assert len(counted) == expected


@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize(
    "unit",
    [
        b"FATAL:  ",
        b"53300 ",
        b'"',
        b"\n",
        b'",53300,"',
        b"\n" + STAMP.encode() + b" ",
        b'"state_code":"53300"',
        b"[" * 50,
        f"{STAMP} [7] FATAL:  x\n".encode(),
    ],
)
def test_time_grows_with_the_length_alone(style: Style, unit: bytes) -> None:
    piece = Piece("log", style, unit * (2**20 // len(unit)), cut=True)
    # Reading that goes back would not end within any test's time.
    by_hour(refusals(piece, Prefix("%m [%p]%p%l%x%u%e ")), Clock(), 1.8e9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-01 14:03:22.123 UTC", (2026, 8, 1, 14, 3, 22)),
        ("2026-08-01 14:03:22 GMT", (2026, 8, 1, 14, 3, 22)),
        ("2026-08-01 14:03:22 +03", (2026, 8, 1, 11, 3, 22)),
        ("2026-08-01 14:03:22 -0330", (2026, 8, 1, 17, 33, 22)),
        ("2026-08-01 14:03:22 +05:45", (2026, 8, 1, 8, 18, 22)),
        ("2026-08-01 14:03:22 CEST", (2026, 8, 1, 12, 3, 22)),
    ],
)
def test_time_zones(text: str, expected: tuple[int, ...]) -> None:
    assert Clock([(0.0, 7200.0)]).epoch(text) == calendar.timegm(expected)


@pytest.mark.parametrize("text", ["2026-13-01 14:03:22 UTC", "0000-00-00 00:00:00 UTC", "", "x", "1.5", "9" * 400])
def test_what_is_no_time(text: str) -> None:
    assert Clock().epoch(text) is None


def test_the_end_of_summer_time() -> None:
    """Berlin 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00 UTC."""
    change = calendar.timegm((2026, 10, 25, 1, 0, 0))
    ahead = [(change + 900.0 * step, 7200.0 if step < 0 else 3600.0) for step in range(-100, 8)]
    clock = Clock(ahead)
    assert clock.epoch("2026-10-25 01:59:00 CEST") == change - 3660
    assert clock.epoch("2026-10-25 02:30:00 CEST") == change - 1800
    assert clock.epoch("2026-10-25 03:10:00 CET") == change + 4200


def test_the_hours_and_the_last_day() -> None:
    at = calendar.timegm((2026, 8, 2, 14, 30, 0))
    times = ["2026-08-01 14:29:00", "2026-08-01 14:30:01", "2026-08-02 14:00:00", "2026-08-02 14:29:59"]
    told = by_hour([(f"{one} UTC", "full") for one in times] + [("1785673801.123", "role")], Clock(), at)
    noon = calendar.timegm((2026, 8, 2, 14, 0, 0))
    day = [(one.hour, one.kind, one.count) for one in told]
    assert day == [
        (noon - 86400, "full", 1),
        (1785673801 // 3600 * 3600, "role", 1),
        (noon, "full", 2),
    ]
