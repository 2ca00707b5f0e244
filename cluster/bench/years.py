"""A store as it looks after a year: 150 million minutes in their tiers, and what was rolled up out of them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np
import psycopg
from sqlalchemy import Engine, text

from actors import rollups
from actors.tiers import pack
from actors.tiers.run import run_due
from actors.tiers.steps import Movers
from cluster.bench.days import Store, add_cameras, add_day, own_store
from schema.database import transaction
from schema.errors import Permanent
from schema.partitions import ensure_partitions, period_of
from schema.ports import FileStore
from schema.queries.rollups import recompute
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.tiers.checksum import in_postgres
from schema.tiers.kinds import COUNTS
from schema.times import to_ns

CAMERAS: Final = 95
DAYS: Final = 370
"""With three rules a camera, 152 million minutes. A few days more than a year: one year is not like another."""
MADE: Final = 2
"""Days whose minutes are made, packed and rolled up one by one; the other packed days are copies of them."""
HOT: Final = 2
"""Yesterday and today are rows. Today has not passed, so nothing is rolled up out of it."""
COLD_CAMERAS: Final = 5
"""Cameras whose minutes of a month, more than a year ago, are in a file."""


@dataclass(frozen=True, kw_only=True)
class Years:
    """The store: the first ``packed_days`` days from ``first_ns`` are warm, a month from ``cold_ns`` is cold."""

    engine: Engine
    files: FileStore
    camera_ids: list[int]
    cold_camera_ids: list[int]
    first_ns: int
    packed_days: int
    cold_ns: int
    cold_days: int
    minutes: int


@contextmanager
def filled() -> Generator[Years]:
    """A database of its own, filled within some minutes, that is gone afterwards."""
    now = datetime.now(UTC)
    first = now.date() - timedelta(days=DAYS - 1)
    cold = (now.date() - timedelta(days=400)).replace(day=1)
    cold_days = (cold.replace(day=28) + timedelta(days=4)).replace(day=1) - cold
    with own_store() as store:
        files = open_storage(store.settings.storage)
        camera_ids = _add_made_days(store, first, now.date())
        _pack_and_roll_up(store, files, first, now)
        _copy(store, first, cold, cold_days.days, camera_ids[:COLD_CAMERAS])
        steps = run_due(store.engine, files, now_ns=to_ns(now))
        if failed := next((step for step in steps if step.error), None):
            raise Permanent(f"the tiers could not be filled: {failed.error}")
        with psycopg.connect(store.owner_dsn, autocommit=True) as connection:
            connection.execute("vacuum analyze analytics, coverage")
            connection.execute("analyze packed_days, counting_results")
        with transaction(store.engine, DEFAULT_TENANT_ID) as session:
            minutes = session.scalar(text(_COUNT)) or 0
        yield Years(
            engine=store.engine,
            files=files,
            camera_ids=camera_ids,
            cold_camera_ids=camera_ids[:COLD_CAMERAS],
            first_ns=_ns(first),
            packed_days=DAYS - HOT,
            cold_ns=_ns(cold),
            cold_days=cold_days.days,
            minutes=int(minutes),
        )


def _add_made_days(store: Store, first: date, today: date) -> list[int]:
    """Cameras, and the minutes of some days as rows, with the rows of these days as commits keep them."""
    watched = add_cameras(store.engine, CAMERAS)
    noise = np.random.default_rng(7)
    days = [first + timedelta(days=n) for n in range(MADE)] + [today - timedelta(days=n) for n in range(HOT)]
    for day in days:
        add_day(store.engine, day, watched, noise)
    for table in ("analytics_day", "analytics_hour"):
        ensure_partitions(store.engine, table, {period_of(table, _ns(day)) for day in (first, today)})
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        for statement in (_STREAMS, _COVERAGE):
            session.execute(text(statement), {"first": first, "last": today})
    for day in days:
        with transaction(store.engine, DEFAULT_TENANT_ID) as session:
            recompute(session, datetime.combine(day, time(), UTC))
    return [camera.id for camera in watched]


def _pack_and_roll_up(store: Store, files: FileStore, first: date, now: datetime) -> None:
    movers = Movers(engine=store.engine, files=files, now_ns=to_ns(now), tell=lambda _: None)
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        due = pack.due(session, before=first + timedelta(days=MADE))
    for day in due:
        pack.pack_day(movers, DEFAULT_TENANT_ID, day)
    rollups.run_due(store.engine, now_ns=to_ns(now))


def _copy(store: Store, first: date, cold: date, cold_days: int, cold_ids: list[int]) -> None:
    """Packed days and their roll-ups, day by day as they come to be."""
    values = {"made": MADE, "copies": (DAYS - HOT) // MADE - 1, "first": first, "last": first + timedelta(days=MADE)}
    with transaction(store.engine, DEFAULT_TENANT_ID) as session:
        session.execute(text(_COPY_PACKED), values)
        session.execute(text(_COPY_ROLLED_UP), values)
        session.execute(text(_COPY_COLD), {"first": first, "cold": cold, "days": cold_days, "ids": cold_ids})
        session.execute(text(_SUM_COLD), {"first": first})


def _ns(day: date) -> int:
    return to_ns(datetime.combine(day, time(), UTC))


_PACKED = (
    "zone_id, camera_id, first_minute, minutes, checksum, count_in, count_out, undone_in, undone_out, appeared, lost,"
    " dwell_ms"
)
_ROLLED_UP = (
    "period, camera_id, zone_id, count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s, covered_s,"
    " revision, stale, hourly_in, hourly_out, hourly_effective_in, hourly_effective_out, hourly_appeared, hourly_lost,"
    " hourly_dwell_s, hourly_covered_s"
)

_STREAMS = """
insert into streams (camera_id, epoch, started_at, is_file) select id, 'e', cast(:first as date), false from cameras
"""
# A camera is away for half a minute around midnight.
_COVERAGE = """
insert into coverage (camera_id, epoch, from_at, to_at)
select c.id, 'e', day + interval '10 seconds', day + interval '86380 seconds'
from cameras c cross join generate_series(cast(:first as date), cast(:last as date), interval '1 day') as day
"""
_COPY_PACKED = f"""
insert into packed_days (day, {_PACKED})
select day + copy * :made, {_PACKED} from packed_days cross join generate_series(1, :copies) as copy
order by 1, camera_id, zone_id
"""  # noqa: S608 - our own names, here and below
_COPY_COLD = f"""
insert into packed_days (day, {_PACKED})
select cast(:cold as date) + n, {_PACKED} from packed_days cross join generate_series(0, :days - 1) as n
where day = :first and camera_id = any(:ids) order by 1, camera_id, zone_id
"""  # noqa: S608
# What is archived is compared with its checksums, and these are of the minutes' times too.
_SUM_COLD = f"""
update packed_days p set checksum = f.checksum
from (select zone_id, day, {in_postgres(COUNTS)} from packed_minutes where day < :first group by zone_id, day) f
where p.zone_id = f.zone_id and p.day = f.day
"""  # noqa: S608
_COPY_ROLLED_UP = f"""
insert into analytics ("timestamp", {_ROLLED_UP})
select "timestamp" + make_interval(days => copy * :made) as at, {_ROLLED_UP}
from analytics cross join generate_series(1, :copies) as copy
where "timestamp" < cast(:last as date) and period in ('hour', 'day')
order by at, camera_id, zone_id
"""  # noqa: S608
_COUNT = """
select (select sum(minutes) from packed_days) + (select count(*) from counting_results)
    + (select coalesce(sum(row_count), 0) from archives where state = 'current' and kind = 'counting_results')
"""
