"""Rows of a month that leave PostgreSQL for a file: which months are due, what is in them, and their removal."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from schema.tiers.archives import Period
from schema.tiers.checksum import MODULUS, Fingerprint, in_postgres
from schema.tiers.copying import fetch
from schema.tiers.kinds import COUNTS, Kind
from schema.tiers.minutes import RuleDay, table


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """A tenant's rows of one kind and month that have passed ``before``. All of them leave, or none."""

    kind: Kind
    period: Period
    before: datetime

    def any(self, session: Session) -> bool:
        """Whether there are some."""
        return bool(session.scalar(text(f"select exists (select from {self._relation})"), self._bounds))  # noqa: S608

    def cameras(self, session: Session) -> set[int]:
        """The cameras that have some."""
        return set(session.scalars(text(f"select distinct camera_id from {self._relation}"), self._bounds))  # noqa: S608

    def count(self, session: Session) -> int:
        """How many there are; of counts, minutes."""
        number = "sum(minutes)" if self.kind is COUNTS else "count(*)"
        return int(session.scalar(text(f"select {number} from {self._relation}"), self._bounds) or 0)  # noqa: S608

    def rows(self, connection: Connection, camera_id: int) -> pa.Table:
        """Those of one camera, in the kind's order."""
        if self.kind is COUNTS:
            query = text(f"select * from {self._relation} and camera_id = :camera_id order by zone_id, day")  # noqa: S608
            found = connection.execute(query, {**self._bounds, "camera_id": camera_id})
            return table(RuleDay.of_packed(row) for row in found)
        names, order = ", ".join(self.kind.schema.names), ", ".join(self.kind.order)
        query = text(f"select {names} from {self._relation} and camera_id = :camera_id order by {order}")  # noqa: S608
        return fetch(connection, query, {**self._bounds, "camera_id": camera_id}, self.kind.schema)

    def remove(self, session: Session) -> Fingerprint:
        """Delete them, and say what was deleted."""
        if self.kind is COUNTS:
            gone, found = "minutes, checksum", "sum(minutes) as rows, mod(sum(checksum), :modulus) as checksum"
        else:
            gone, found = ", ".join(self.kind.schema.names), in_postgres(self.kind)
        query = f"with gone as (delete from {self._relation} returning {gone}) select {found} from gone"  # noqa: S608
        row = session.execute(text(query), {**self._bounds, "modulus": MODULUS}).one()
        return Fingerprint(rows=int(row.rows or 0), checksum=int(row.checksum or 0))

    @property
    def _relation(self) -> str:
        """The rows, as what stands after FROM; of counts, the packed days."""
        kind = self.kind
        if kind is COUNTS:
            return "packed_days where day >= :first_day and day < :last_day"
        return (
            f"{kind.name} where {kind.time} >= :first and {kind.time} < :last and {kind.time} < :before and {kind.ripe}"
        )

    @property
    def _bounds(self) -> dict[str, Any]:
        first, last = self.period.first_day, self.period.end_day
        return {
            "first": _midnight(first),
            "last": _midnight(last),
            "before": self.before,
            "first_day": first,
            "last_day": last,
        }


def due(session: Session, kind: Kind, *, before: date) -> list[Leaving]:
    """Whole months before ``before`` of which the tenant still has rows that are ripe, the oldest first."""
    whole = before.replace(day=1)
    if kind is COUNTS:
        months = session.scalars(_PACKED_MONTHS, {"before": whole})
    else:
        months = session.scalars(text(_MONTHS.format(table=kind.name, time=kind.time)), {"before": _midnight(whole)})
    found = [
        Leaving(kind=kind, period=Period(tier="cold", first_day=month), before=_midnight(before)) for month in months
    ]
    return [leaving for leaving in found if leaving.any(session)]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# A roll-up needs the minutes at hand: a month waits for those of its days. Days of which minutes are in a file already
# are not rolled up again, and wait for nothing.
_PACKED_MONTHS: Final = text("""
select month from (select distinct date_trunc('month', day)::date as month from packed_days where day < :before) months
where not exists (
    select from analytics d
    where d.period = 'day' and d.type = 'counts' and d.stale
      and d."timestamp" >= month::timestamp at time zone 'UTC'
      and d."timestamp" < (month + interval '1 month') at time zone 'UTC'
      and not exists (
          select from archives a
          where a.kind = 'counting_results' and a.state = 'current'
            and a.from_at < d."timestamp" + interval '1 day' and a.to_at >= d."timestamp"))
order by month
""")

# From month to month by the index, without reading what lies between.
_MONTHS: Final = """
with recursive found (at) as (
    select min({time}) from {table} where {time} < :before
    union all
    select (
        select min({time}) from {table}
        where {time} >= date_trunc('month', found.at, 'UTC') + interval '1 month' and {time} < :before)
    from found where found.at is not null
)
select date_trunc('month', at at time zone 'UTC')::date from found where at is not null order by at
"""
