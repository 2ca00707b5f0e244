"""Totals so far of the rules in force, and resets of their occupancy."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from schema.errors import BadInput
from schema.events import RuleTotals, Totals

OCCUPANCY_RESET = "occupancy_reset"
"""The type of the camera event that a reset leaves behind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRule:
    """A rule in force, with everything that it has counted since this version of it was made."""

    camera: str
    kind: Literal["line", "zone"]
    totals: RuleTotals


def live(session: Session, camera_ids: Collection[int] | None = None) -> list[LiveRule]:
    """All rules in force of these cameras, or of all; rules that have counted nothing yet have revision 0."""
    rows = session.execute(
        text(
            "select c.name as camera, z.id, z.camera_id, z.name, z.type,"
            " coalesce(t.revision, 0) as revision, coalesce(t.occupancy_base, 0) as occupancy_base,"
            " coalesce(t.count_in, 0) as count_in, coalesce(t.count_out, 0) as count_out,"
            " coalesce(t.effective_in, 0) as effective_in, coalesce(t.effective_out, 0) as effective_out,"
            " coalesce(t.appeared, 0) as appeared, coalesce(t.lost, 0) as lost, coalesce(t.dwell_s, 0) as dwell_s"
            " from zones z join cameras c on c.id = z.camera_id left join zone_totals t on t.zone_id = z.id"
            " where z.retired_at is null and (cast(:camera_ids as bigint[]) is null or z.camera_id = any(:camera_ids))"
            " order by c.name, z.id"
        ),
        {"camera_ids": None if camera_ids is None else list(camera_ids)},
    )
    return [_live_rule(row) for row in rows]


def reset_occupancy(session: Session, rule_id: int, *, people: int = 0, reason: str = "") -> RuleTotals:
    """Declare that ``people`` are inside now, and leave a camera event that says so. Counts stay as they are.

    Returns:
        The rule's totals with the new base, to be published.

    Raises:
        BadInput: there is no such rule in force.
    """
    before = _lock(session, rule_id)
    session.execute(
        text(
            "update zone_totals set occupancy_base = occupancy_base + :by, revision = revision + 1 where zone_id = :id"
        ),
        {"by": people - before.occupancy, "id": rule_id},
    )
    _leave_event(session, before, people, reason)
    return replace(
        before, revision=before.revision + 1, occupancy_base=before.occupancy_base + people - before.occupancy
    )


def _lock(session: Session, rule_id: int) -> RuleTotals:
    """The rule's totals, held until the end of the transaction: crossings being stored come before or after it."""
    camera_id = session.scalar(
        text("select camera_id from zones where id = :id and retired_at is null for share"), {"id": rule_id}
    )
    if camera_id is None:
        raise BadInput(f"there is no line or zone {rule_id} in force: list the camera's rules to see which there are")
    session.execute(text("insert into zone_totals (zone_id) values (:id) on conflict do nothing"), {"id": rule_id})
    session.execute(text("select 1 from zone_totals where zone_id = :id for update"), {"id": rule_id})
    return next(rule.totals for rule in live(session, [camera_id]) if rule.totals.rule_id == rule_id)


def _leave_event(session: Session, before: RuleTotals, people: int, reason: str) -> None:
    session.execute(
        text(
            "insert into camera_events (timestamp, event_id, camera_id, event_type, data) values (clock_timestamp(),"
            " :event_id, :camera_id, :event_type, jsonb_build_object('rule', cast(:rule as text),"
            " 'rule_id', cast(:rule_id as bigint), 'from', cast(:before as bigint), 'to', cast(:people as bigint),"
            " 'reason', cast(:reason as text)))"
        ),
        {
            "event_id": uuid4(),
            "camera_id": before.camera_id,
            "event_type": OCCUPANCY_RESET,
            "rule": before.rule,
            "rule_id": before.rule_id,
            "before": before.occupancy,
            "people": people,
            "reason": reason,
        },
    )


def _live_rule(row: Row[Any]) -> LiveRule:
    totals = Totals(
        count_in=row.count_in,
        count_out=row.count_out,
        effective_in=row.effective_in,
        effective_out=row.effective_out,
        appeared=row.appeared,
        lost=row.lost,
        dwell_s=row.dwell_s,
    )
    return LiveRule(
        camera=row.camera,
        kind="line" if row.type == "line" else "zone",
        totals=RuleTotals(
            camera_id=row.camera_id,
            rule_id=row.id,
            rule=row.name,
            revision=row.revision,
            totals=totals,
            occupancy_base=row.occupancy_base,
        ),
    )
