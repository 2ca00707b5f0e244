"""Rolling up everything that is due, for all tenants; a few minutes is a good rhythm."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import structlog
from sqlalchemy import Engine, text

from schema.database import across_tenants, transaction
from schema.partitions import ensure_partitions, period_of
from schema.queries import rollups
from schema.queries.rollups import RolledUp
from schema.times import to_ns

_log = structlog.get_logger(__name__)

Told = Callable[[str], None]


def run_due(engine: Engine, *, now_ns: int, tell: Told = lambda _: None) -> RolledUp:
    """Roll up every day that has passed and was changed since.

    Killed, it has done a part, and the next run goes on from there. Two at once share the work.

    Args:
        engine: from ``schema.database.open_engine``.
        now_ns: the time by which days have passed.
        tell: takes a sentence about every piece of work that is done.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    done = RolledUp()
    for tenant_id in _tenants(engine):
        with transaction(engine, tenant_id) as session:
            years = rollups.stale_years(session, now_ns=now_ns)
        ensure_partitions(engine, "analytics_hour", years)
        while (part := _roll_up(engine, tenant_id, now_ns)).days:
            done += part
            tell(f"{done.days} days of lines and zones are rolled up")
    if done.corrected:
        _log.warning("Days were not what their minutes add up to, and are corrected.", days=done.corrected)
    return done


def rebuild(engine: Engine, *, first: date, last: date, now_ns: int, tell: Told = lambda _: None) -> RolledUp:
    """Compute all roll-ups of the days ``first`` to ``last`` anew from their minutes, both included.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    for tenant_id in _tenants(engine):
        with transaction(engine, tenant_id) as session:
            days = rollups.counted_days(session, first=begin, last=end)
        for day in days:
            ensure_partitions(engine, "analytics_day", [period_of("analytics_day", to_ns(day))])
            left = 1
            while left:
                with transaction(engine, tenant_id) as session:
                    left = rollups.recompute(session, day)
            tell(f"{day:%Y-%m-%d} is summed up from its minutes")
    return run_due(engine, now_ns=now_ns, tell=tell)


def _roll_up(engine: Engine, tenant_id: int, now_ns: int) -> RolledUp:
    with transaction(engine, tenant_id) as session:
        return rollups.roll_up(session, now_ns=now_ns)


def _tenants(engine: Engine) -> list[int]:
    with across_tenants(engine) as session:
        return list(session.scalars(text("select id from tenants order by id")))
