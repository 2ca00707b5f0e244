"""Hot → warm: the minutes of a day become one packed row a line or zone.

Minutes are deleted, packed, written, read back through the view that queries use, and compared, all in one transaction
of a few cameras: whenever it is killed, a minute is in one place, and its counts are the same.

Minutes that come for a day that is packed already are rows again, beside the packed day, and the next run adds them to
it. Adding is right because a minute's counts are sums of crossings, each stored once: what came late was not in the sum
that was packed, and adding knows no order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from actors.tiers.pace import resting
from actors.tiers.steps import Movers
from schema.database import transaction
from schema.errors import Permanent
from schema.tiers.checksum import Fingerprint, by_zone, in_postgres
from schema.tiers.kinds import COUNTS
from schema.tiers.merging import merged
from schema.tiers.minutes import RuleDay, table
from schema.tiers.packed import SUMS, pack

CAMERAS_AT_ONCE: Final = 16
"""So that a transaction takes a moment, and a late count waits no longer."""

_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DueDay:
    """A day whose minutes are to be packed, and the cameras that have some."""

    day: date
    camera_ids: tuple[int, ...]


def due(session: Session, *, before: date) -> list[DueDay]:
    """Days before ``before`` of which the tenant has minutes that are not packed, the oldest first."""
    rows = session.execute(_DUE, {"before": _midnight(before)}).all()
    return [
        DueDay(day=day, camera_ids=tuple(row.camera_id for row in same_day))
        for day, same_day in groupby(rows, key=lambda row: row.day)
    ]


def count(session: Session, due_day: DueDay) -> int:
    """How many minutes packing this day takes."""
    return session.scalar(_COUNT, _bounds(due_day.day, due_day.camera_ids)) or 0


def pack_day(movers: Movers, tenant_id: int, due_day: DueDay) -> None:
    """Pack a day, some cameras at a time, with rests between so that whoever counts gets through.

    Raises:
        Permanent: what was written does not read back as what was taken; nothing was changed.
        StoreUnavailable: PostgreSQL gave up for now; safe to repeat.
    """
    ids = due_day.camera_ids
    for start in resting(range(0, len(ids), CAMERAS_AT_ONCE)):
        with transaction(movers.engine, tenant_id) as session:
            _pack(session.connection(), due_day.day, ids[start : start + CAMERAS_AT_ONCE], movers)
        movers.tell(f"packed {due_day.day}, {min(start + CAMERAS_AT_ONCE, len(ids))} of {len(ids)} cameras")


def _pack(connection: Connection, day: date, camera_ids: Sequence[int], movers: Movers) -> None:
    bounds = _bounds(day, camera_ids)
    taken = [_taken(row, day) for row in connection.execute(_TAKE, bounds)]
    movers.tell(f"took the minutes of {day}")
    zone_ids = [of_rule.zone_id for of_rule in taken]
    before = [RuleDay.of_packed(row) for row in connection.execute(_PACKED, {"day": day, "zone_ids": zone_ids})]
    minutes = merged(COUNTS, [table(taken), table(before)])
    expected = by_zone(COUNTS, minutes)
    rows = list(_rows(minutes, day, expected))
    if rows:
        connection.execute(_PUT, rows)
    movers.tell(f"wrote the packed minutes of {day}")
    found = {
        row.zone_id: Fingerprint(rows=row.rows, checksum=row.checksum)
        for row in connection.execute(_READ_BACK, {"day": day, "zone_ids": zone_ids})
    }
    if found != expected:
        raise Permanent(f"the packed minutes of {day} do not read back as they were: nothing was changed")


def _taken(row: Any, day: date) -> RuleDay:
    sums = np.array([getattr(row, name) for name in SUMS], np.int64).T
    return RuleDay(
        camera_id=row.camera_id, zone_id=row.zone_id, day=day, minutes=np.array(row.minutes, np.int64), sums=sums
    )


def _rows(minutes: pa.Table, day: date, expected: Mapping[int, Fingerprint]) -> Iterator[dict[str, Any]]:
    """Rows of ``packed_days``; the minutes are in order of camera, zone and time."""
    since_us = int(_midnight(day).timestamp()) * 1_000_000
    cameras, zones = minutes["camera_id"].to_numpy(), minutes["zone_id"].to_numpy()
    places = (minutes["bucket"].cast(pa.int64()).to_numpy() - since_us) // _MINUTE_US
    sums = np.column_stack([minutes[name].to_numpy() for name in SUMS])
    ends = np.append(np.flatnonzero(np.diff(zones)) + 1, len(zones))
    for first, last in zip(np.append(0, ends[:-1]), ends, strict=True):
        if first == last:
            continue  # there was nothing but minutes without a count
        zone_id, packed = int(zones[first]), pack(places[first:last], sums[first:last])
        yield {
            "camera_id": int(cameras[first]),
            "zone_id": zone_id,
            "day": day,
            "first_minute": packed.first_minute,
            "minutes": packed.minutes,
            "checksum": expected[zone_id].checksum,
            **{name: _literal(values) for name, values in packed.arrays.items()},
        }


def _literal(values: list[int] | None) -> str | None:
    """An array as PostgreSQL writes it: psycopg takes ten times as long to do the same element by element."""
    return None if values is None else f"{{{','.join(map(str, values))}}}"


def _bounds(day: date, camera_ids: Sequence[int]) -> dict[str, Any]:
    return {"first": _midnight(day), "last": _midnight(day + timedelta(days=1)), "camera_ids": list(camera_ids)}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# From camera to camera and day to day by the index, without reading what lies between.
_DUE: Final = text("""
with recursive found (camera_id, bucket) as (
    select c.id, (select min(n.bucket) from counting_results n where n.camera_id = c.id and n.bucket < :before)
    from cameras c
    union all
    select f.camera_id, (
        select min(n.bucket) from counting_results n
        where n.camera_id = f.camera_id and n.bucket < :before
          and n.bucket >= date_trunc('day', f.bucket, 'UTC') + interval '1 day')
    from found f where f.bucket is not null
)
select camera_id, (bucket at time zone 'UTC')::date as day from found
where bucket is not null order by day, camera_id
""")

_COUNT: Final = text(
    "select count(*) from counting_results where bucket >= :first and bucket < :last and camera_id = any(:camera_ids)"
)

# An array a line or zone instead of a row a minute: less than half the time, here and there.
_TAKE: Final = text(f"""
with taken as (
    delete from counting_results where bucket >= :first and bucket < :last and camera_id = any(:camera_ids)
    returning camera_id, zone_id, (extract(epoch from bucket - :first) / 60)::integer as minute, count_in, count_out,
        count_in - effective_in as undone_in, count_out - effective_out as undone_out, appeared, lost,
        floor(dwell_s * 1000 + 0.5)::bigint as dwell_ms
)
select camera_id, zone_id, array_agg(minute) as minutes, {", ".join(f"array_agg({name}) as {name}" for name in SUMS)}
from taken group by camera_id, zone_id
""")  # noqa: S608 - our own names

_PACKED: Final = text("select * from packed_days where day = :day and zone_id = any(:zone_ids)")

_PUT: Final = text(
    f"insert into packed_days (camera_id, zone_id, day, first_minute, minutes, checksum, {', '.join(SUMS)})"  # noqa: S608
    " values (:camera_id, :zone_id, :day, :first_minute, :minutes, :checksum,"
    f" {', '.join(f'cast(:{name} as bigint[])' for name in SUMS)})"
    " on conflict (zone_id, day) do update set first_minute = excluded.first_minute, minutes = excluded.minutes,"
    f" checksum = excluded.checksum, {', '.join(f'{name} = excluded.{name}' for name in SUMS)}"
)

_READ_BACK: Final = text(
    f"select zone_id, {in_postgres(COUNTS)} from packed_minutes"  # noqa: S608 - our own names
    " where day = :day and zone_id = any(:zone_ids) group by zone_id"
)
