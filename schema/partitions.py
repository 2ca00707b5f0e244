"""Partitions by time, made when the first row of their time comes.

Every partitioned table also has a DEFAULT partition: times outside 2000..2099 (a recording without a known date, a
camera whose clock is wrong) go there and never fail an insert.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import structlog
from sqlalchemy import Engine, text

from schema.times import to_datetime

Partitioned = Literal["crossings", "counting_results", "camera_events"]

BY_DAY: Final = frozenset[Partitioned]({"counting_results"})
"""Tables with a partition a day; the others have one a month."""
FIRST_YEAR, LAST_YEAR = 2000, 2099

_log = structlog.get_logger(__name__)


def period_of(table: Partitioned, moment_ns: int) -> datetime:
    """The first instant of the day or month, UTC, that the table's partition of this moment begins with."""
    midnight = to_datetime(moment_ns).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if table in BY_DAY else midnight.replace(day=1)


def ensure_partitions(engine: Engine, table: Partitioned, periods: Iterable[datetime]) -> None:
    """Make the partitions that are missing, each in a transaction of its own.

    It must not run inside a transaction that holds other locks: making a partition locks the whole table for a
    moment, and holding nothing else is what keeps that free of deadlocks.

    Args:
        engine: where.
        table: the partitioned table.
        periods: first instants of days or months, as ``period_of`` gives them.

    Raises:
        OperationalError: the table was not free for some seconds, or PostgreSQL does not answer.
    """
    for first in sorted(periods):
        if not FIRST_YEAR <= first.year <= LAST_YEAR:
            continue
        with engine.begin() as connection:
            made = connection.scalar(_ENSURE, {"table": table, "first": first, "last": _following(table, first)})
        if not made:
            _log.warning("A time stays in the default partition.", table=table, first=first.isoformat())


_ENSURE: Final = text("select ensure_partition(:table, :first, :last)")


def _following(table: Partitioned, first: datetime) -> datetime:
    if table in BY_DAY:
        return first + timedelta(days=1)
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
