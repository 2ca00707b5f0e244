"""The list of archive files: what is where. Nothing else says so, least of all the file store."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from schema.errors import StoreUnavailable
from schema.tiers.checksum import Fingerprint
from schema.tiers.kinds import KindName
from schema.tiers.parquet import Contents, Group
from schema.times import to_datetime

Tier = Literal["cold", "historical"]

GRACE: Final = timedelta(hours=1)
"""How long a file that is obsolete is kept, for readers that found it in the list before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """A month (cold) or a year (historical), by its first day."""

    tier: Tier
    first_day: date

    @classmethod
    def of(cls, tier: Tier, day: date) -> "Period":
        """The one that a day is in."""
        first = day.replace(day=1)
        return cls(tier=tier, first_day=first if tier == "cold" else first.replace(month=1))

    @property
    def end_day(self) -> date:
        """The first day after it."""
        first = self.first_day
        if self.tier == "historical":
            return first.replace(year=first.year + 1)
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)

    def __str__(self) -> str:
        """2026-11 or 2026."""
        return f"{self.first_day:%Y-%m}" if self.tier == "cold" else f"{self.first_day:%Y}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A file that is current; its path is within the file store. ``size`` is in bytes."""

    id: int
    kind: KindName
    period: Period
    path: str
    contents: Contents
    size: int


def current(
    session: Session,
    kind: KindName | None = None,
    *,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
) -> list[Archive]:
    """The tenant's files that may have rows of ``from_at`` <= time < ``to_at``, in order of time."""
    rows = session.execute(_CURRENT, {"kind": kind, "from": from_at, "to": to_at})
    return [_archive(row) for row in rows]


def begin(session: Session, tenant_id: int, kind: KindName, period: Period) -> tuple[int, str]:
    """Enter a file that is about to be written. Returns its id and the path that it gets.

    No two files ever have the same path: what a killed writer left is never taken for another's.
    """
    folder = "archive" if period.tier == "cold" else "historical"
    parts = [f"{period.first_day:year=%Y}", *([f"{period.first_day:month=%m}"] if period.tier == "cold" else [])]
    path = "/".join([folder, str(tenant_id), kind, *parts, f"{uuid4().hex}.parquet"])
    number = session.execute(
        text("insert into archives (kind, tier, first_day, path) values (:kind, :tier, :day, :path) returning id"),
        {"kind": kind, "tier": period.tier, "day": period.first_day, "path": path},
    ).scalar_one()
    return number, path


def switch(
    session: Session, archive_id: int, contents: Contents, size: int, *, replaces: Collection[int], now_ns: int
) -> None:
    """Make a verified file current in the place of others.

    Raises:
        StoreUnavailable: another run took this one for dead and gave up the file.
    """
    moment = to_datetime(now_ns)
    session.execute(
        text("update archives set state = 'obsolete', switched_at = :now where id = any(:ids)"),
        {"ids": list(replaces), "now": moment},
    )
    switched = session.scalar(
        text(
            "update archives set state = 'current', row_count = :rows, checksum = :checksum, size = :size,"
            " row_groups = cast(:row_groups as jsonb), from_at = :from_at, to_at = :to_at, switched_at = :now"
            " where id = :id and state = 'writing' returning id"
        ),
        {
            "id": archive_id,
            "rows": contents.fingerprint.rows,
            "checksum": contents.fingerprint.checksum,
            "size": size,
            "row_groups": json.dumps([_group_row(group) for group in contents.groups]),
            "from_at": contents.from_at,
            "to_at": contents.to_at,
            "now": moment,
        },
    )
    if switched is None:
        raise StoreUnavailable(f"archive {archive_id} was given up while it was written: the next run writes it")


def abandon(session: Session, *, now_ns: int) -> None:
    """Give up the tenant's files that are being written.

    Only whoever holds the lock of the tiers may: he knows that their writers are dead.
    """
    session.execute(
        text("update archives set state = 'obsolete', switched_at = :now where state = 'writing'"),
        {"now": to_datetime(now_ns)},
    )


def obsolete(session: Session, *, now_ns: int) -> list[tuple[int, str]]:
    """Ids and paths of the tenant's files that nobody has needed for longer than ``GRACE``."""
    rows = session.execute(
        text("select id, path from archives where state = 'obsolete' and switched_at < :before order by id"),
        {"before": to_datetime(now_ns) - GRACE},
    )
    return [(row.id, row.path) for row in rows]


def forget(session: Session, archive_id: int) -> None:
    """Strike a file off the list, after it was removed."""
    session.execute(text("delete from archives where id = :id and state = 'obsolete'"), {"id": archive_id})


_CURRENT: Final = text(
    "select id, kind, tier, first_day, path, size, row_groups, from_at, to_at from archives"
    " where state = 'current' and (cast(:kind as text) is null or kind = :kind)"
    " and (cast(:from as timestamptz) is null or to_at >= :from)"
    " and (cast(:to as timestamptz) is null or from_at < :to)"
    " order by kind, first_day, id"
)


def _archive(row: Row[Any]) -> Archive:
    return Archive(
        id=row.id,
        kind=row.kind,
        period=Period(tier=row.tier, first_day=row.first_day),
        path=row.path,
        contents=Contents(
            groups=tuple(_group(*values) for values in row.row_groups), from_at=row.from_at, to_at=row.to_at
        ),
        size=row.size,
    )


def _group_row(group: Group) -> tuple[int, int, int, int]:
    return group.first_camera_id, group.last_camera_id, group.fingerprint.rows, group.fingerprint.checksum


def _group(first_camera_id: int, last_camera_id: int, rows: int, checksum: int) -> Group:
    return Group(
        first_camera_id=first_camera_id,
        last_camera_id=last_camera_id,
        fingerprint=Fingerprint(rows=rows, checksum=checksum),
    )
