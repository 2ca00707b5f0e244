"""One run through everything that is due. It may run as often as one likes; once a day is enough."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Final

import structlog
from sqlalchemy import Engine, select, text

from actors.tiers import cleaning, pack
from actors.tiers.archive import archive_month, merge_year
from actors.tiers.steps import Movers, Step, Told
from schema.database import across_tenants, transaction, unavailable_as_retryable
from schema.errors import Retryable, TurnstileError
from schema.ports import FileStore
from schema.tables import TenantRow
from schema.tiers import archives, leaving
from schema.tiers.archives import Period
from schema.tiers.kinds import COUNTS, KINDS, Kind
from schema.times import to_datetime

_LOCK: Final = 7_463_008

_log = structlog.get_logger(__name__)


class AlreadyRunning(Retryable):
    """Another run is at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tenant:
    """A tenant, and the days before which its rows are no longer hot, warm and cold."""

    id: int
    hot_from: date
    warm_from: date
    cold_from: date

    def kept_from(self, kind: Kind) -> date:
        """The first day of which rows of this kind stay in PostgreSQL."""
        return self.hot_from if kind.kept == "hot_days" else self.warm_from


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """A step, and how to do it."""

    step: Step
    do: Callable[[], object]


def run_due(
    engine: Engine, files: FileStore, *, now_ns: int, dry_run: bool = False, tell: Told = lambda _: None
) -> list[Step]:
    """Move everything that has passed its tenant's ages, and clean up.

    A step that fails is reported with its error, changes nothing, and keeps no other from being done. What is not done
    or was killed is done by the next run. Rows of the future wait until their time has passed, like all others.

    Args:
        engine: from ``schema.database.open_engine``, with 2 connections at least.
        files: where archives lie.
        now_ns: the time to compare ages with.
        dry_run: do nothing, and say what would be done first; what comes after that is not known yet.
        tell: takes a sentence about every piece of work that is done.

    Returns:
        What was done, or would be.

    Raises:
        AlreadyRunning: another run is at it.
        StoreUnavailable: PostgreSQL does not answer.
    """
    movers = Movers(engine=engine, files=files, now_ns=now_ns, tell=tell)
    with _alone(engine):
        tenants = _tenants(engine, to_datetime(now_ns).date())
        if not dry_run:
            for tenant in tenants:
                with transaction(engine, tenant.id) as session:
                    archives.abandon(session, now_ns=now_ns)
        work = (work for tenant in tenants for work in _of_tenant(movers, tenant))
        steps = [work.step if dry_run else _done(work) for work in work]
        if not dry_run and tenants:
            steps += _dropped(movers, max(tenant.hot_from for tenant in tenants))
    return steps


def _done(work: _Work) -> Step:
    try:
        work.do()
    except TurnstileError as error:
        _log.warning("A step between tiers failed.", step=work.step, error=str(error))
        return replace(work.step, error=str(error))
    return work.step


def _of_tenant(movers: Movers, tenant: _Tenant) -> Iterator[_Work]:
    """What is due, the oldest tier last; what a step leaves for the next one is seen when that is looked for."""
    yield from _packing(movers, tenant)
    for kind in KINDS:
        yield from _archiving(movers, tenant, kind)
        yield from _merging(movers, tenant, kind)
    yield from _removing(movers, tenant)


def _packing(movers: Movers, tenant: _Tenant) -> Iterator[_Work]:
    with transaction(movers.engine, tenant.id) as session:
        found = [(day, pack.count(session, day)) for day in pack.due(session, before=tenant.hot_from)]
    for day, rows in found:
        step = Step(action="pack", tenant_id=tenant.id, what=COUNTS.name, period=str(day.day), rows=rows)
        yield _Work(step=step, do=partial(pack.pack_day, movers, tenant.id, day))


def _archiving(movers: Movers, tenant: _Tenant, kind: Kind) -> Iterator[_Work]:
    with transaction(movers.engine, tenant.id) as session:
        found = [(month, month.count(session)) for month in leaving.due(session, kind, before=tenant.kept_from(kind))]
    for month, rows in found:
        step = Step(action="archive", tenant_id=tenant.id, what=kind.name, period=str(month.period), rows=rows)
        yield _Work(step=step, do=partial(archive_month, movers, tenant.id, month))


def _merging(movers: Movers, tenant: _Tenant, kind: Kind) -> Iterator[_Work]:
    with transaction(movers.engine, tenant.id) as session:
        months = [archive for archive in archives.current(session, kind.name) if archive.period.tier == "cold"]
    by_year = groupby(months, key=lambda archive: Period.of("historical", archive.period.first_day))
    for year, of_year in by_year:
        if year.end_day <= tenant.cold_from:
            chosen = list(of_year)
            rows = sum(archive.contents.fingerprint.rows for archive in chosen)
            step = Step(action="merge", tenant_id=tenant.id, what=kind.name, period=str(year), rows=rows)
            yield _Work(step=step, do=partial(merge_year, movers, tenant.id, kind, year, chosen))


def _removing(movers: Movers, tenant: _Tenant) -> Iterator[_Work]:
    with transaction(movers.engine, tenant.id) as session:
        unneeded = archives.obsolete(session, now_ns=movers.now_ns)
    for archive_id, path in unneeded:
        step = Step(action="remove", tenant_id=tenant.id, what=path)
        yield _Work(step=step, do=partial(cleaning.remove_file, movers, tenant.id, archive_id, path))


def _dropped(movers: Movers, before: date) -> list[Step]:
    with unavailable_as_retryable(movers.engine), movers.engine.begin() as connection:
        found = cleaning.passed_partitions(connection, before=before)
    return [
        Step(action="drop", tenant_id=None, what=partition)
        for parent, partition in found
        if cleaning.drop_partition(movers, parent, partition)
    ]


def _tenants(engine: Engine, today: date) -> list[_Tenant]:
    with across_tenants(engine) as session:
        return [
            _Tenant(
                id=row.id,
                hot_from=today - timedelta(days=row.hot_days),
                warm_from=today - timedelta(days=row.warm_days),
                cold_from=today - timedelta(days=row.cold_days),
            )
            for row in session.scalars(select(TenantRow).order_by(TenantRow.id))
        ]


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the lock of the tiers; PostgreSQL takes it back when we die."""
    with unavailable_as_retryable(engine), engine.connect() as connection:
        if not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            raise AlreadyRunning("the tiers are being worked on by another run: wait until it has finished")
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
