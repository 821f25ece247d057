"""Instants of a server's clock: PostgreSQL's reach from 4713 BC to 294276 AD and to infinity, Python's do not. Pure.

Whoever shows a time that came from a server takes it from here, and not from datetime.fromtimestamp().
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from math import floor, isfinite, isnan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: After so many seconds the Gregorian calendar begins again.
_CYCLE_S, _CYCLE_YEARS = 12_622_780_800, 400
#: The last year that has six digits, before and after year 0; PostgreSQL's own end is 294276.
_LAST_YEAR_S = 999_998 * 31_556_952
#: Seconds since 1970. A day off the ends of the calendar, so that every time zone has them.
FIRST_S = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds()
LAST_S = (datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()


def calendar(epoch: float) -> tuple[int, str] | None:
    """The year, and `-MM-DDTHH:MM:SS.ffffff` in UTC; year 0 is 1 BC. None for what is no time of a calendar.

    Always six decimals: PostgreSQL's microseconds survive the way through a float8 unchanged.

    >>> calendar(0.5), calendar(float("inf"))
    ((1970, '-01-01T00:00:00.500000'), None)
    """
    if not isfinite(epoch) or abs(epoch) > _LAST_YEAR_S:
        return None
    whole = floor(epoch)
    # The difference is exact; the product of the whole number would round a second time.
    micros = round((epoch - whole) * 1_000_000)
    cycles, seconds = divmod(whole, _CYCLE_S)
    instant = _EPOCH + timedelta(seconds=seconds, microseconds=micros)
    return instant.year + cycles * _CYCLE_YEARS, instant.replace(tzinfo=None).isoformat(timespec="microseconds")[4:]


def endless(epoch: float) -> str:
    """What calendar() knows no date of, as PostgreSQL writes it."""
    return "-infinity" if epoch < 0 else "infinity"


def utc(epoch: float) -> str:
    """For people, to the second.

    >>> utc(0.5), utc(-1e12), utc(float("-inf"))
    ('1970-01-01 00:00:00 UTC', '-29719-04-05 22:13:20 UTC', '-infinity')
    """
    found = calendar(epoch)
    return f"{found[0]:04}{found[1][:15].replace('T', ' ')} UTC" if found else endless(epoch)


def within_calendar(at: float) -> float:
    """Seconds since 1970, of the years 1 to 9999: what is beyond, or infinite, is the nearest end.

    >>> [within_calendar(at) for at in (12.5, float("inf"), float("nan"))]
    [12.5, 253402214399.0, 0.0]
    """
    return 0.0 if isnan(at) else min(max(at, FIRST_S), LAST_S)


def moment(at: float, zone: tzinfo | None = None) -> datetime:
    """The date and time of seconds since 1970, in the local time zone where none is given."""
    return (_EPOCH + timedelta(seconds=within_calendar(at))).astimezone(zone)
