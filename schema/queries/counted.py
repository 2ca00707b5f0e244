"""Where counts are read from: the minutes, or what was rolled up out of them.

A day is right at every moment, because the transaction that stores a crossing changes it. Hours and months are right
until one of their days is changed again; from then on, and until the next roll-up, they are summed up anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from schema.database.results import IN_BINARY
from schema.queries.archived import Archived, Sums
from schema.queries.steps import SECONDS, Steps
from schema.times import DAY_NS, to_datetime

SUMS: Final = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost")
HOURLY: Final = tuple(f"hourly_{name.removeprefix('count_')}" for name in SUMS)
"""The columns that hold ``SUMS`` of each hour of a day."""

_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_NOTHING: Final = (0,) * 24
_UNKNOWN: Final = (float("nan"),) * 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """What versions of lines and zones counted from ``at_s`` on, for one step; there may be several rows of a bucket.

    Attributes:
        zone_ids: int64 (N,).
        at_s: int64 (N,), seconds since 1970, within the bucket that the row belongs to.
        sums: int64 (N, 6), as ``SUMS``.
        dwell_s: float64 (N,).
        covered_s: float64 (N,), how long the roll-up saw the camera watched; nan where it did not look.
    """

    zone_ids: NDArray[np.int64]
    at_s: NDArray[np.int64]
    sums: NDArray[np.int64]
    dwell_s: NDArray[np.float64]
    covered_s: NDArray[np.float64]

    def and_(self, other: "Counted") -> "Counted":
        """The rows of both."""
        return Counted(
            zone_ids=np.concatenate([self.zone_ids, other.zone_ids]),
            at_s=np.concatenate([self.at_s, other.at_s]),
            sums=np.concatenate([self.sums, other.sums]),
            dwell_s=np.concatenate([self.dwell_s, other.dwell_s]),
            covered_s=np.concatenate([self.covered_s, other.covered_s]),
        )

    def between(self, first_s: int, last_s: int) -> "Counted":
        """Those of ``first_s`` <= time < ``last_s``."""
        kept = (self.at_s >= first_s) & (self.at_s < last_s)
        return Counted(
            zone_ids=self.zone_ids[kept],
            at_s=self.at_s[kept],
            sums=self.sums[kept],
            dwell_s=self.dwell_s[kept],
            covered_s=self.covered_s[kept],
        )


def read(session: Session, zone_ids: Sequence[int], steps: Steps, archived: Archived | None) -> Counted:
    """Everything that these versions of rules counted in these buckets; without ``archived``, what PostgreSQL has."""
    asked = {"zone_ids": list(zone_ids), **steps.bounds}
    match steps.resolution:
        case "hour":
            return _hours(session, asked, archived).between(steps.edges_s[0], steps.edges_s[-1])
        case "day" | "week":
            return _of_rows(session.execute(_DAYS, asked))
        case "month":
            return _of_rows(session.execute(_MONTHS, asked))
        case _:
            return _of_rows(_minutes(session, asked, SECONDS[steps.resolution], archived))


def _minutes(session: Session, asked: dict[str, Any], step_s: int, archived: Archived | None) -> list[Sums]:
    found = [tuple(row) for row in session.execute(_MINUTES, {**asked, "step_s": step_s})]
    if archived is not None:
        found += archived.counted(session, asked["zone_ids"], from_at=asked["from"], to_at=asked["to"], step_s=step_s)
    return found


def _hours(session: Session, asked: dict[str, Any], archived: Archived | None) -> Counted:
    """Hours of days that are rolled up, and of the others from their minutes.

    The second statement may see later crossings than the first one: then it tells the later truth.
    """
    midnight = datetime.combine(asked["first_day"], time(), UTC)
    days = session.execute(_PACKED_HOURS, {**asked, "midnight": midnight}).all()
    found: list[Sums] = []
    for run in _runs(day for day in days if not day.rolled_up):
        found += (tuple(row) for row in session.execute(_HOURS_OF_DAYS, run))
        found += _archived_hours(session, run, archived)
    return _unpacked([day for day in days if day.rolled_up]).and_(_of_rows(found))


def _archived_hours(session: Session, run: dict[str, Any], archived: Archived | None) -> Iterable[Sums]:
    """A day of which some minutes came when the others were in a file already is not rolled up again."""
    if archived is None:
        return
    wanted = set(zip(run["zone_ids"], run["days"], strict=True))
    hours = archived.counted(session, run["zone_ids"], from_at=run["from"], to_at=run["to"], step_s=_HOUR_S)
    for hour in hours:
        if (hour[0], to_datetime(hour[1] * 10**9).date()) in wanted:
            yield hour


def _unpacked(days: Sequence[Row[Any]]) -> Counted:
    """The 24 hours of each row of ``_PACKED_HOURS``, as columns at once: a year of a camera is a thousand days."""

    def column(place: int, instead: Sequence[float]) -> NDArray[Any]:
        return np.array([day[place] or instead for day in days]).reshape(-1)

    begins_s = np.array([day.at_s for day in days], np.int64)
    return Counted(
        zone_ids=np.repeat(np.array([day.zone_id for day in days], np.int64), 24),
        at_s=(begins_s[:, None] + np.arange(0, _DAY_S, _HOUR_S)).reshape(-1),
        sums=np.array([column(place, _NOTHING) for place in range(3, 9)], np.int64).T,
        dwell_s=column(9, _NOTHING).astype(np.float64),
        covered_s=column(10, _UNKNOWN).astype(np.float64),
    )


def _runs(days: Iterable[Row[Any]]) -> Iterable[dict[str, Any]]:
    """Days as bind values, the consecutive ones together: partitions of no other day are to be looked at."""
    numbered = sorted((day.at_s // _DAY_S, day.zone_id) for day in days)
    gaps = {number: number - place for place, number in enumerate(sorted({number for number, _ in numbered}))}
    for _, group in groupby(numbered, lambda day: gaps[day[0]]):
        run = list(group)
        moments = [to_datetime(number * DAY_NS) for number, _ in run]
        yield {
            "zone_ids": [zone_id for _, zone_id in run],
            "days": [moment.date() for moment in moments],
            "from": moments[0],
            "to": to_datetime((run[-1][0] + 1) * DAY_NS),
            "first_day": moments[0].date(),
            "last_day": moments[-1].date(),
        }


def _of_rows(rows: Iterable[Sequence[Any]]) -> Counted:
    """Rows of zone, time, six sums, dwell and coverage as columns."""
    columns = list(zip(*rows, strict=True)) or [()] * 10
    return Counted(
        zone_ids=np.array(columns[0], np.int64),
        at_s=np.array(columns[1], np.int64),
        sums=np.array(columns[2:8], np.int64).T,
        dwell_s=np.array(columns[8], np.float64),
        covered_s=np.array(columns[9], np.float64),
    )


_LISTED: Final = ", ".join(SUMS)
_SUMMED: Final = ", ".join(f"sum({name})::bigint as {name}" for name in SUMS)

_MINUTES: Final = text(f"""
select zone_id,
    extract(epoch from date_bin(make_interval(secs => :step_s), bucket, timestamptz 'epoch'))::bigint as at_s,
    {_SUMMED}, sum(dwell_s), null::double precision
from counts_all
where zone_id = any(:zone_ids) and bucket >= :from and bucket < :to and day >= :first_day and day <= :last_day
group by 1, 2
""")  # noqa: S608 - our own names, here and below

_HOURS_OF_DAYS: Final = text(f"""
select zone_id, extract(epoch from date_trunc('hour', bucket, 'UTC'))::bigint as at_s,
    {_SUMMED}, sum(dwell_s), null::double precision
from counts_all
where (zone_id, day) in (select * from unnest(cast(:zone_ids as bigint[]), cast(:days as date[])))
  and zone_id = any(:zone_ids) and bucket >= :from and bucket < :to and day >= :first_day and day <= :last_day
group by 1, 2
""")  # noqa: S608

# Both read by themselves: the planner takes a thousand days for so few that it would look up hours one by one.
_PACKED_HOURS: Final = text(f"""
with days as materialized (
    select zone_id, "timestamp", revision from analytics
    where period = 'day' and type = 'counts' and zone_id = any(:zone_ids)
      and "timestamp" >= :midnight and "timestamp" < :to
), hours as materialized (
    select zone_id, "timestamp", revision, true as rolled_up, {", ".join(HOURLY)}, hourly_dwell_s, hourly_covered_s
    from analytics
    where period = 'hour' and type = 'counts' and zone_id = any(:zone_ids)
      and "timestamp" >= :midnight and "timestamp" < :to
)
select d.zone_id, extract(epoch from d."timestamp")::bigint as at_s, h.rolled_up, {", ".join(HOURLY)}, hourly_dwell_s,
    hourly_covered_s
from days d left join hours h using (zone_id, "timestamp", revision)
""").execution_options(**IN_BINARY)  # noqa: S608

_DAYS: Final = text(f"""
select zone_id, extract(epoch from "timestamp")::bigint as at_s, {_LISTED}, dwell_s, covered_s
from analytics
where period = 'day' and type = 'counts' and zone_id = any(:zone_ids) and "timestamp" >= :from and "timestamp" < :to
""")  # noqa: S608

_MONTHS: Final = text(f"""
with days as (
    select *, date_trunc('month', "timestamp", 'UTC') as month from analytics
    where period = 'day' and type = 'counts' and zone_id = any(:zone_ids)
      and "timestamp" >= :from and "timestamp" < :to
), changed as (
    select distinct zone_id, month from days where stale
)
select zone_id, extract(epoch from "timestamp")::bigint as at_s, {_LISTED}, dwell_s, covered_s
from analytics
where period = 'month' and type = 'counts' and zone_id = any(:zone_ids) and "timestamp" >= :from and "timestamp" < :to
  and (zone_id, "timestamp") not in (select zone_id, month from changed)
union all
select zone_id, extract(epoch from month)::bigint, {_SUMMED}, sum(dwell_s), sum(covered_s)
from days where (zone_id, month) in (select zone_id, month from changed)
group by zone_id, month
""")  # noqa: S608
