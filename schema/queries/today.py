"""What every line and zone has counted on one day, summed up from its minutes."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.events import Totals
from schema.times import MINUTE_NS, to_datetime

_DAY_NS = 24 * 60 * MINUTE_NS


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleDay:
    """One rule's sums of a day, as they were when it had counted ``crossings`` in all its life."""

    rule_id: int
    camera_id: int
    kind: Literal["line", "zone"]
    crossings: int
    count_in: int
    count_out: int
    effective_in: int
    effective_out: int


def crossings_of(totals: Totals) -> int:
    """How many crossings these totals are of: each adds one to exactly one of these, and effective counts follow."""
    return totals.count_in + totals.count_out + totals.appeared + totals.lost


def day_totals(session: Session, day: int, rule_ids: Collection[int] | None = None) -> list[RuleDay]:
    """The day's sums of rules in force, and of those retired since that have counted on it.

    One statement, so that sums and numbers are of one state.

    Args:
        session: where to read.
        day: UTC day, counted since 1970.
        rule_ids: only these rules, or those of all cameras that are not removed.
    """
    rows = session.execute(
        _DAY,
        {
            "from": to_datetime(day * _DAY_NS),
            "to": to_datetime((day + 1) * _DAY_NS),
            "rule_ids": None if rule_ids is None else list(rule_ids),
        },
    )
    return [
        RuleDay(
            rule_id=row.id,
            camera_id=row.camera_id,
            kind="line" if row.type == "line" else "zone",
            crossings=row.crossings,
            count_in=int(row.count_in),
            count_out=int(row.count_out),
            effective_in=int(row.effective_in),
            effective_out=int(row.effective_out),
        )
        for row in rows
    ]


_DAY: Final = text("""
select z.id, z.camera_id, z.type, coalesce(t.count_in + t.count_out + t.appeared + t.lost, 0) as crossings,
    coalesce(n.count_in, 0) as count_in, coalesce(n.count_out, 0) as count_out,
    coalesce(n.effective_in, 0) as effective_in, coalesce(n.effective_out, 0) as effective_out
from zones z
join cameras c on c.id = z.camera_id and c.removed_at is null
left join zone_totals t on t.zone_id = z.id
left join (
    select zone_id, sum(count_in) as count_in, sum(count_out) as count_out, sum(effective_in) as effective_in,
        sum(effective_out) as effective_out
    from counting_results
    where bucket >= :from and bucket < :to
      and (cast(:rule_ids as bigint[]) is null or zone_id = any(:rule_ids))
    group by zone_id
) n on n.zone_id = z.id
where (cast(:rule_ids as bigint[]) is null or z.id = any(:rule_ids))
  and (z.retired_at is null or n.zone_id is not null)
order by z.id
""")
