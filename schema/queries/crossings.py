"""Single crossings, page by page in order of time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from schema.errors import BadInput
from schema.events import Cause, Crossing, Direction
from schema.tables import CrossingRow, ZoneRow
from schema.times import to_datetime, to_ns

Order = Literal["newest", "oldest"]

MAX_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossingPage:
    """Some crossings, and the cursor that the next page begins at; None after the last."""

    crossings: tuple[Crossing, ...]
    next_cursor: str | None


def page(
    session: Session,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    camera_id: int | None = None,
    rule: str | None = None,
    direction: Direction | None = None,
    order: Order = "newest",
    cursor: str | None = None,
    limit: int = 100,
) -> CrossingPage:
    """Read one page.

    Crossings that are stored while one pages are met once or not at all, and none is met twice: the cursor is a place
    in the order of time, not a count.

    Args:
        session: where to read.
        from_ns: not before.
        to_ns: before.
        camera_id: of this camera only.
        rule: at lines and zones of this name only, whatever their version.
        direction: this way only.
        order: newest or oldest first.
        cursor: where the page before ended.
        limit: 1..MAX_LIMIT crossings.

    Raises:
        BadInput: the cursor is not one of ours, or the limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInput(f"limit {limit} is out of range: ask for 1 to {MAX_LIMIT} crossings a page")
    query = select(CrossingRow, ZoneRow.name).join(ZoneRow, ZoneRow.id == CrossingRow.zone_id)
    if from_ns is not None:
        query = query.where(CrossingRow.occurred_at >= to_datetime(from_ns))
    if to_ns is not None:
        query = query.where(CrossingRow.occurred_at < to_datetime(to_ns))
    if camera_id is not None:
        query = query.where(CrossingRow.camera_id == camera_id)
    if rule is not None:
        query = query.where(ZoneRow.name == rule)
    if direction is not None:
        query = query.where(CrossingRow.direction == direction)
    rows = session.execute(_after(query, order, cursor).limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    return CrossingPage(
        crossings=tuple(_crossing(row, name) for row, name in shown),
        next_cursor=_cursor(shown[-1][0]) if more else None,
    )


def by_ids(session: Session, event_ids: Sequence[UUID], *, first_at: datetime, last_at: datetime) -> list[Crossing]:
    """The crossings with these ids, in their order, that occurred between two moments, but those that are gone."""
    rows = session.execute(
        select(CrossingRow, ZoneRow.name)
        .join(ZoneRow, ZoneRow.id == CrossingRow.zone_id)
        .where(CrossingRow.event_id.in_(event_ids), CrossingRow.occurred_at.between(first_at, last_at))
    )
    found = {row.event_id: _crossing(row, name) for row, name in rows}
    return [found[event_id] for event_id in event_ids if event_id in found]


def _after(query: Select[CrossingRow, str], order: Order, cursor: str | None) -> Select[CrossingRow, str]:
    moment, number = CrossingRow.occurred_at, CrossingRow.id
    newest_first = order == "newest"
    query = query.order_by(moment.desc(), number.desc()) if newest_first else query.order_by(moment, number)
    if cursor is None:
        return query
    last = _place(cursor)
    # The time by itself says nothing new, but it is what tells PostgreSQL which partitions to leave out.
    if newest_first:
        return query.where(moment <= last[0], tuple_(moment, number) < last)
    return query.where(moment >= last[0], tuple_(moment, number) > last)


def _cursor(row: CrossingRow) -> str:
    return urlsafe_b64encode(f"{to_ns(row.occurred_at)}.{row.id}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, int]:
    try:
        ns, row_id = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(".")
        place = to_datetime(int(ns)), int(row_id)
    except (ValueError, OverflowError):
        place = None
    if place is None or not 0 <= place[1] < 2**63:
        raise BadInput("the cursor is not one that a page ended with: begin without one")
    return place


def _crossing(row: CrossingRow, rule: str) -> Crossing:
    return Crossing(
        event_id=row.event_id,
        camera_id=row.camera_id,
        epoch=row.epoch,
        track_id=row.track_id,
        kind="line" if row.kind == "line" else "zone",
        rule=rule,
        rule_id=row.zone_id,
        direction="in" if row.direction == "in" else "out",
        cause=cast(Cause, row.cause),
        ordinal=row.ordinal,
        frame=row.frame,
        occurred_ns=to_ns(row.occurred_at),
        confirmed_ns=to_ns(row.confirmed_at),
        confidence=row.confidence,
        x=row.x,
        y=row.y,
        undoes=row.undoes,
        undoes_ns=None if row.undoes_at is None else to_ns(row.undoes_at),
        dwell_s=row.dwell_s,
        model=row.model,
    )
