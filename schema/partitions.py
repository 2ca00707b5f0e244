"""Monthly partitions, made when the first row of a month comes.

Every partitioned table also has a DEFAULT partition: times outside ``FIRST_YEAR``..``LAST_YEAR`` (a recording without
a known date, a camera whose clock is wrong) go there and never fail an insert.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

Partitioned = Literal["crossings", "counting_results", "camera_events"]

FIRST_YEAR, LAST_YEAR = 2000, 2099
LOCK_TIMEOUT_S = 3
_LOCK = 7_463_002

_log = structlog.get_logger(__name__)


def month_of(moment: datetime) -> datetime:
    """The first instant of the month, UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def ensure_months(engine: Engine, table: Partitioned, months: Iterable[datetime]) -> None:
    """Make the partitions that are missing, each in a transaction of its own.

    It must not run inside a transaction that holds other locks: making a partition locks the whole table for a
    moment, and holding nothing else is what keeps that free of deadlocks.

    Args:
        engine: where.
        table: the partitioned table.
        months: first instants of months, as ``month_of`` gives them.

    Raises:
        OperationalError: the table was not free for LOCK_TIMEOUT_S, or PostgreSQL does not answer.
    """
    for month in sorted(months):
        if FIRST_YEAR <= month.year <= LAST_YEAR:
            _ensure(engine, table, month)


def _ensure(engine: Engine, table: Partitioned, month: datetime) -> None:
    name = f"{table}_{month:%Y_%m}"
    following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    try:
        with engine.begin() as connection:
            # Whoever reads the table for long must not make everyone else wait in line behind this.
            connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if connection.scalar(text("select to_regclass(:name)"), {"name": name}) is None:
                bounds = f"from ('{month.isoformat()}') to ('{following.isoformat()}')"
                connection.execute(text(f"create table {name} partition of {table} for values {bounds}"))
    except IntegrityError:
        # Rows of this month already lie in the DEFAULT partition; there the others may go too.
        _log.warning("A month stays in the default partition.", table=table, month=f"{month:%Y-%m}")
