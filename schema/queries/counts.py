"""Counts over time, and beside every count how long the camera really was watched."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from schema.errors import BadInput
from schema.events import Totals
from schema.times import to_datetime, to_ns

Resolution = Literal["minute", "5min", "15min", "hour", "day"]

SECONDS: Final[dict[Resolution, int]] = {"minute": 60, "5min": 300, "15min": 900, "hour": 3600, "day": 86400}
"""Length of a bucket. Buckets begin at whole multiples of it since 1970 UTC; days are UTC days."""

MAX_BUCKETS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CountBucket:
    """What one line or zone, by name, counted in ``from_ns`` <= time < ``to_ns``, whatever its version was then.

    The camera was watched for ``covered_s`` of these seconds: a count of 0 beside 0 covered seconds says nothing.
    """

    camera_id: int
    camera: str
    rule: str
    kind: Literal["line", "zone"]
    from_ns: int
    to_ns: int
    totals: Totals
    covered_s: float


def buckets(
    session: Session,
    *,
    from_ns: int,
    to_ns: int,
    resolution: Resolution,
    camera_ids: Collection[int] | None = None,
    rules: Collection[str] | None = None,
    fill: bool = False,
) -> list[CountBucket]:
    """Counts in order of camera, rule and time.

    Args:
        session: where to read.
        from_ns: begin of the time asked for; rounded down to a whole bucket.
        to_ns: its end; rounded up to a whole bucket.
        resolution: length of a bucket.
        camera_ids: of these cameras, or of all.
        rules: at lines and zones of these names, or at all.
        fill: give buckets in which nothing was counted too, for every rule not retired before ``from_ns``.

    Raises:
        BadInput: the time ends before it begins, or is too long for the resolution (more than MAX_BUCKETS a rule).
    """
    step_ns = SECONDS[resolution] * 10**9
    first_ns, last_ns = from_ns // step_ns * step_ns, -(-to_ns // step_ns) * step_ns
    if to_ns <= from_ns:
        raise BadInput("the time asked for ends before it begins: give 'from' before 'to'")
    if (last_ns - first_ns) // step_ns > MAX_BUCKETS:
        raise BadInput(
            f"that is more than {MAX_BUCKETS} buckets of a {resolution}: ask for longer buckets or less time"
        )
    rows = session.execute(
        _FILLED if fill else _COUNTED,
        {
            "from": to_datetime(first_ns),
            "to": to_datetime(last_ns),
            "step_s": SECONDS[resolution],
            "camera_ids": None if camera_ids is None else list(camera_ids),
            "rules": None if rules is None else list(rules),
        },
    )
    return [_bucket(row, step_ns) for row in rows]


_SUMS = "count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s"

_BASE = """
with asked as (
    select make_interval(secs => :step_s) as step, cast(:from as timestamptz) as first, cast(:to as timestamptz) as last
), rules as (
    select z.id, z.camera_id, c.name as camera, z.name as rule, z.type, z.retired_at
    from zones z join cameras c on c.id = z.camera_id
    where (cast(:camera_ids as bigint[]) is null or z.camera_id = any(:camera_ids))
      and (cast(:rules as text[]) is null or z.name = any(:rules))
), counted as (
    select r.camera_id, r.camera, r.rule, date_bin((select step from asked), n.bucket, timestamptz 'epoch') as at,
        max(r.type) as type, sum(n.count_in) as count_in, sum(n.count_out) as count_out,
        sum(n.effective_in) as effective_in, sum(n.effective_out) as effective_out,
        sum(n.appeared) as appeared, sum(n.lost) as lost, sum(n.dwell_s) as dwell_s
    from counting_results n join rules r on r.id = n.zone_id
    where n.bucket >= :from and n.bucket < :to
    group by r.camera_id, r.camera, r.rule, at
), slots as (
    {slots}
), watched as (
    select v.camera_id, range_agg(tstzrange(v.from_at, v.to_at)) as spans from coverage v
    where v.from_at < :to and v.to_at > :from and v.camera_id in (select camera_id from slots)
    group by v.camera_id
), covered as (
    select t.camera_id, t.at, sum(extract(epoch from upper(span) - lower(span))) as covered_s
    from (select distinct camera_id, at from slots) t
    join watched w using (camera_id)
    cross join asked
    cross join unnest(w.spans * tstzmultirange(tstzrange(t.at, t.at + asked.step))) as span
    group by t.camera_id, t.at
)
select s.camera_id, s.camera, s.rule, s.type, s.at, coalesce(v.covered_s, 0) as covered_s, {sums}
from slots s
left join counted n using (camera_id, rule, at)
left join covered v using (camera_id, at)
order by s.camera, s.camera_id, s.rule, s.at
"""

_SLOTS_COUNTED = "select camera_id, camera, rule, type, at from counted"

# When a rule was made does not matter: recordings are older than the rules they are counted by.
_SLOTS_FILLED = """
    select r.camera_id, r.camera, r.rule, r.type, at
    from (
        select camera_id, camera, rule, max(type) as type from rules, asked
        where retired_at is null or retired_at > first
           or exists (select from counted where counted.camera_id = rules.camera_id and counted.rule = rules.rule)
        group by camera_id, camera, rule
    ) r
    cross join asked
    cross join generate_series(asked.first, asked.last - asked.step, asked.step) as at
"""


def _statement(slots: str) -> Any:
    sums = ", ".join(f"coalesce(n.{name}, 0) as {name}" for name in _SUMS.split(", "))
    return text(_BASE.format(slots=slots, sums=sums))


_COUNTED: Final = _statement(_SLOTS_COUNTED)
_FILLED: Final = _statement(_SLOTS_FILLED)


def _bucket(row: Row[Any], step_ns: int) -> CountBucket:
    from_ns = to_ns(row.at)
    return CountBucket(
        camera_id=row.camera_id,
        camera=row.camera,
        rule=row.rule,
        kind="line" if row.type == "line" else "zone",
        from_ns=from_ns,
        to_ns=from_ns + step_ns,
        totals=Totals(
            count_in=int(row.count_in),
            count_out=int(row.count_out),
            effective_in=int(row.effective_in),
            effective_out=int(row.effective_out),
            appeared=int(row.appeared),
            lost=int(row.lost),
            dwell_s=float(row.dwell_s),
        ),
        covered_s=float(row.covered_s),
    )
