"""What every line and zone has counted on one day: a row each, kept in the transactions that store crossings."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.events import Totals
from schema.times import DAY_NS, to_datetime


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
            "day": to_datetime(day * DAY_NS),
            "rule_ids": None if rule_ids is None else list(rule_ids),
        },
    )
    return [
        RuleDay(
            rule_id=row.id,
            camera_id=row.camera_id,
            kind="line" if row.type == "line" else "zone",
            crossings=row.crossings,
            count_in=row.count_in,
            count_out=row.count_out,
            effective_in=row.effective_in,
            effective_out=row.effective_out,
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
left join analytics n on n.zone_id = z.id and n.type = 'counts' and n.period = 'day' and n.timestamp = :day
where (cast(:rule_ids as bigint[]) is null or z.id = any(:rule_ids))
  and (z.retired_at is null or n.zone_id is not null)
""")
