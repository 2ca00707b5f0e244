"""Rolling up: the hours and months of days that have passed, out of their minutes.

A day row is right at every moment. What is computed here says for which state of the day it holds: an hour row by the
day's revision, a month by none of its days being stale. So a roll-up may be killed at any point, run twice, and run
while crossings of these very days are stored: whoever reads finds rows that are right, or are known not to be.

Days are rolled up when they are over. Until then their hours are read from the minutes, which are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.queries.counted import HOURLY, SUMS
from schema.times import DAY_NS, to_datetime

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class RolledUp:
    """How many days of single lines and zones were rolled up, and how many of them had not been what they add up to.

    The latter are corrected: somebody changed their minutes by hand.
    """

    days: int = 0
    corrected: int = 0

    def __add__(self, other: "RolledUp") -> "RolledUp":
        """Both together."""
        return RolledUp(days=self.days + other.days, corrected=self.corrected + other.corrected)


def roll_up(session: Session, *, now_ns: int, limit: int = 500) -> RolledUp:
    """Compute hours and months of stale days that have passed, the oldest first.

    Until the transaction ends, crossings of these days wait to be stored; days to which some are being stored are left
    for the next time.

    Args:
        session: a transaction of one tenant that has not changed anything yet.
        now_ns: days before the one that this time is in have passed.
        limit: of days of single lines and zones, at most so many.

    Returns:
        What was done; no days: there is nothing more to do for now.
    """
    session.execute(_ALONE)
    today = to_datetime(now_ns // DAY_NS * DAY_NS)
    found = session.execute(_LOCK_STALE, {"today": today, "limit": limit})
    stale = [(row.day.astimezone(UTC), row.zone_id) for row in found]
    corrected = 0
    for day, zone_ids in _grouped(stale):
        values = {"day": day, "next": day + _DAY, "date": day.date(), "zone_ids": zone_ids}
        session.execute(_HOURS, values)
        corrected += sum(session.scalars(_SETTLE, values))
    for month, zone_ids in _grouped([(day.replace(day=1), zone_id) for day, zone_id in stale]):
        session.execute(_MONTH, {"month": month, "next": _following(month), "zone_ids": zone_ids})
    return RolledUp(days=len(stale), corrected=corrected)


def stale_years(session: Session, *, now_ns: int) -> list[datetime]:
    """First instants, UTC, of the years that have days to roll up: their hours need a partition."""
    today = to_datetime(now_ns // DAY_NS * DAY_NS)
    return [year.astimezone(UTC) for year in session.scalars(_STALE_YEARS, {"today": today})]


def recompute(session: Session, day: datetime) -> int:
    """Sum a day up from its minutes anew, for all lines and zones, and leave it stale for the next roll-up.

    A day whose minutes are in an archive file stays as it is.

    Args:
        session: a transaction of one tenant.
        day: midnight UTC.

    Returns:
        How many lines and zones changed in the same moment and were left as they are: repeat it for them.
    """
    return session.scalar(_RECOMPUTE, {"day": day, "next": day + _DAY, "date": day.date()}) or 0


def counted_days(session: Session, *, first: datetime, last: datetime) -> Sequence[datetime]:
    """The days (midnight UTC) of ``first`` <= time < ``last`` in which anything was counted, in order."""
    return [day.astimezone(UTC) for day in session.scalars(_COUNTED_DAYS, {"first": first, "last": last})]


def _grouped(pairs: Sequence[tuple[datetime, int]]) -> list[tuple[datetime, list[int]]]:
    return [
        (moment, [zone_id for _, zone_id in group])
        for moment, group in groupby(sorted(set(pairs)), lambda pair: pair[0])
    ]


def _following(month: datetime) -> datetime:
    return (month + timedelta(days=31)).replace(day=1)


# One at a time for a tenant: a month is summed up from its days by whoever settled one of them last.
_ALONE: Final = text(
    "select pg_advisory_xact_lock(7463010, (current_setting('app.tenant')::bigint % 2147483648)::integer)"
)

# Minutes that are in archive files are not at hand to sum up: such a day keeps what it had.
_ARCHIVED: Final = """exists (
    select from archives a where a.kind = 'counting_results' and a.state = 'current'
      and a.from_at < {day} + interval '1 day' and a.to_at >= {day})"""

_LOCK_STALE: Final = text(f"""
select "timestamp" as day, zone_id from analytics d
where period = 'day' and type = 'counts' and stale and "timestamp" < :today
  and not {_ARCHIVED.format(day='d."timestamp"')}
order by "timestamp", camera_id, zone_id limit :limit
for update skip locked
""")  # noqa: S608 - our own names, here and below

_STALE_YEARS: Final = text("""
select distinct date_trunc('year', "timestamp", 'UTC') from analytics
where period = 'day' and type = 'counts' and stale and "timestamp" < :today
""")

_SUMS: Final = ", ".join(SUMS)
_SUMMED: Final = ", ".join(f"sum({name}) as {name}" for name in SUMS)
_BY_HOUR: Final = ", ".join(
    f"array_agg({name}::integer order by hour) as {hourly}" for name, hourly in zip(SUMS, HOURLY, strict=True)
)
_COPIED: Final = ", ".join(f"{name} = excluded.{name}" for name in (*SUMS, "dwell_s"))

# What the camera was watched only grows: intervals that were archived are remembered by the row that saw them.
_HOURS: Final = text(f"""
with minutes as (
    select zone_id, extract(hour from bucket at time zone 'UTC')::integer as hour, {_SUMMED}, sum(dwell_s) as dwell_s
    from counts_all
    where zone_id = any(:zone_ids) and day = :date and bucket >= :day and bucket < :next
    group by 1, 2
), watched as (
    select camera_id, range_agg(tstzrange(from_at, to_at)) as spans from coverage
    where from_at < :next and to_at > :day
      and camera_id in (select camera_id from zones where id = any(:zone_ids))
    group by 1
), covered as (
    select camera_id, hour, sum(extract(epoch from upper(span) - lower(span)))::double precision as covered_s
    from watched
    cross join generate_series(0, 23) as hour
    cross join lateral unnest(spans * tstzmultirange(tstzrange(
        cast(:day as timestamptz) + make_interval(hours => hour),
        cast(:day as timestamptz) + make_interval(hours => hour + 1)))) as span
    group by 1, 2
), hours as (
    select d.zone_id, n.hour, {", ".join(f"coalesce(m.{name}, 0) as {name}" for name in SUMS)},
        coalesce(m.dwell_s, 0) as dwell_s,
        greatest(c.covered_s, before.hourly_covered_s[n.hour + 1], 0) as covered_s
    from unnest(cast(:zone_ids as bigint[])) as d (zone_id)
    join zones z on z.id = d.zone_id
    cross join generate_series(0, 23) as n (hour)
    left join minutes m on m.zone_id = d.zone_id and m.hour = n.hour
    left join covered c on c.camera_id = z.camera_id and c.hour = n.hour
    left join analytics before on before.period = 'hour' and before.type = 'counts' and before."timestamp" = :day
        and before.zone_id = d.zone_id
), packed as (
    select zone_id, {_SUMMED}, sum(dwell_s) as dwell_s, sum(covered_s) as covered_s,
        {_BY_HOUR},
        array_agg(dwell_s order by hour) as hourly_dwell_s, array_agg(covered_s order by hour) as hourly_covered_s
    from hours group by zone_id
)
insert into analytics (period, "timestamp", camera_id, zone_id, {_SUMS}, dwell_s, covered_s, revision, stale,
    {", ".join(HOURLY)}, hourly_dwell_s, hourly_covered_s)
select 'hour', :day, d.camera_id, d.zone_id, {", ".join(f"p.{name}" for name in SUMS)}, p.dwell_s, p.covered_s,
    d.revision + (({", ".join(f"p.{name}" for name in SUMS)}) <> ({", ".join(f"d.{name}" for name in SUMS)}))::integer,
    false,
    {", ".join(f"nullif(p.{name}, array_fill(0, array[24]))" for name in HOURLY)},
    nullif(p.hourly_dwell_s, array_fill(0::double precision, array[24])),
    nullif(p.hourly_covered_s, array_fill(0::double precision, array[24]))
from packed p
join analytics d on d.period = 'day' and d.type = 'counts' and d."timestamp" = :day and d.zone_id = p.zone_id
where not {_ARCHIVED.format(day='d."timestamp"')}
order by d.camera_id, d.zone_id
on conflict (zone_id, type, period, "timestamp") do update set {_COPIED}, covered_s = excluded.covered_s,
    revision = excluded.revision, {", ".join(f"{name} = excluded.{name}" for name in HOURLY)},
    hourly_dwell_s = excluded.hourly_dwell_s, hourly_covered_s = excluded.hourly_covered_s
""")  # noqa: S608

_SETTLE: Final = text(f"""
with before as (
    select zone_id, revision from analytics
    where period = 'day' and type = 'counts' and "timestamp" = :day and zone_id = any(:zone_ids)
)
update analytics d set stale = false, revision = h.revision, covered_s = h.covered_s,
    {", ".join(f"{name} = h.{name}" for name in (*SUMS, "dwell_s"))}
from analytics h, before
where d.period = 'day' and d.type = 'counts' and d."timestamp" = :day and d.zone_id = any(:zone_ids)
  and h.period = 'hour' and h.type = 'counts' and h."timestamp" = :day and h.zone_id = d.zone_id
  and before.zone_id = d.zone_id and h.revision >= before.revision
returning (h.revision <> before.revision)::integer
""")  # noqa: S608

_MONTH: Final = text(f"""
insert into analytics (period, "timestamp", camera_id, zone_id, {_SUMS}, dwell_s, covered_s, revision, stale)
select 'month', :month, camera_id, zone_id, {_SUMMED}, sum(dwell_s), sum(covered_s), sum(revision), false
from analytics
where period = 'day' and type = 'counts' and "timestamp" >= :month and "timestamp" < :next and zone_id = any(:zone_ids)
group by camera_id, zone_id
order by camera_id, zone_id
on conflict (zone_id, type, period, "timestamp") do update set {_COPIED}, covered_s = excluded.covered_s,
    revision = excluded.revision
""")  # noqa: S608

# A day that somebody adds to between our look and our word has another revision than we say it follows.
_RECOMPUTE: Final = text(f"""
with minutes as (
    select zone_id, camera_id, {_SUMMED}, sum(dwell_s) as dwell_s from counts_all
    where day = :date and bucket >= :day and bucket < :next
    group by 1, 2
), known as (
    select zone_id, camera_id, revision from analytics
    where period = 'day' and type = 'counts' and "timestamp" = :day
), wanted as (
    select zone_id, camera_id, {", ".join(f"coalesce({name}, 0) as {name}" for name in (*SUMS, "dwell_s"))},
        coalesce(revision, 0) + 1 as revision
    from minutes full join known using (zone_id, camera_id)
    where not {_ARCHIVED.format(day="cast(:day as timestamptz)")}
), written as (
    insert into analytics (period, "timestamp", camera_id, zone_id, {_SUMS}, dwell_s, revision)
    select 'day', :day, camera_id, zone_id, {_SUMS}, dwell_s, revision from wanted order by camera_id, zone_id
    on conflict (zone_id, type, period, "timestamp") do update set {_COPIED}, revision = excluded.revision, stale = true
    where analytics.revision = excluded.revision - 1
    returning 1
)
select (select count(*) from wanted) - (select count(*) from written)
""")  # noqa: S608

_COUNTED_DAYS: Final = text("""
select distinct day from (
    select "timestamp" as day from analytics
    where period = 'day' and type = 'counts' and "timestamp" >= :first and "timestamp" < :last
    union all
    select date_trunc('day', bucket, 'UTC') from counts_all
    where bucket >= :first and bucket < :last
      and day >= (cast(:first as timestamptz) at time zone 'UTC')::date
      and day <= (cast(:last as timestamptz) at time zone 'UTC')::date
) days
order by day
""")
