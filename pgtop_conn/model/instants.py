"""Instants of a server's clock as dates: PostgreSQL's reach from 4713 BC to 294276 AD and to infinity, Python's do not.

Whoever shows a time that came from a server takes it from here, and not from datetime.fromtimestamp().
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from math import isnan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Seconds since 1970. A day off the ends of the calendar, so that every time zone has them.
FIRST_S = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds()
LAST_S = (datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()


def within_calendar(at: float) -> float:
    """Seconds since 1970, of the years 1 to 9999: what is beyond, or infinite, is the nearest end.

    >>> [within_calendar(at) for at in (12.5, float("inf"), float("nan"))]
    [12.5, 253402214399.0, 0.0]
    """
    return 0.0 if isnan(at) else min(max(at, FIRST_S), LAST_S)


def moment(at: float, zone: tzinfo | None = None) -> datetime:
    """The date and time of seconds since 1970, in the local time zone where none is given."""
    return (_EPOCH + timedelta(seconds=within_calendar(at))).astimezone(zone)
