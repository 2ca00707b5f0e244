"""Nanoseconds since 1970 UTC on our side, ``timestamptz`` on PostgreSQL's.

PostgreSQL keeps microseconds. Rounding is always down, so the same instant always becomes the same timestamp: the
unique keys of partitioned tables contain one.
"""

from datetime import UTC, datetime, timedelta

MINUTE_NS = 60 * 10**9
DAY_NS = 86_400 * 10**9

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_datetime(ns: int) -> datetime:
    """The instant as an aware UTC datetime, rounded down to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 UTC of an aware datetime, exactly."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


def to_text(ns: int) -> str:
    """ISO 8601 in UTC with microseconds and a Z."""
    return to_datetime(ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
