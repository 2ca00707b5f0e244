"""Pictures of crossings: stored once, beside a crossing that is there, and found by its id."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from schema.errors import NotFound
from schema.evidence import JPEG, Evidence, TrajectoryPoint
from schema.ports import FileStore
from schema.queries import files
from schema.tables import CrossingRow, EvidenceRow, FileRow, ZoneRow
from schema.times import to_datetime, to_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownEvidence:
    """A picture with what people want to know beside it; ``rule_id`` is the version of the rule that counted."""

    event_id: UUID
    occurred_ns: int
    camera_id: int
    rule: str
    rule_id: int
    rule_version: int
    model: str
    seen_ns: int
    box: tuple[float, float, float, float]
    trajectory: tuple[TrajectoryPoint, ...]
    path: str
    sha256: str
    size: int
    mime_type: str


def add(session: Session, store: FileStore, pictures: Collection[Evidence]) -> set[UUID]:
    """Store pictures of the session's tenant whose crossings are stored; repeating it changes nothing.

    Camera, rule and model are taken from the crossing: a picture cannot say anything else than it.

    Returns:
        Ids of the crossings that are stored. Of the others there is nothing to show yet, and nothing was kept.

    Raises:
        StoreUnavailable: the file store does not answer or is full.
        Permanent: the file store refuses us.
    """
    keys = [(picture.event_id, to_datetime(picture.occurred_ns)) for picture in pictures]
    # The time by itself says nothing new, but it is what tells PostgreSQL which partitions to leave out.
    query = select(CrossingRow).where(
        tuple_(CrossingRow.event_id, CrossingRow.occurred_at).in_(keys),
        CrossingRow.occurred_at.between(min(key[1] for key in keys), max(key[1] for key in keys)),
    )
    crossings = {row.event_id: row for row in session.scalars(query)}
    shown = set(session.scalars(select(EvidenceRow.event_id).where(EvidenceRow.event_id.in_(crossings))))
    new = {picture.event_id: picture for picture in pictures if picture.event_id in crossings.keys() - shown}
    if new:
        _add(session, store, new, crossings)
    return set(crossings)


def of_crossing(session: Session, event_id: UUID) -> ShownEvidence:
    """The picture of a crossing.

    Raises:
        NotFound: there is none.
    """
    query = (
        select(EvidenceRow, FileRow, ZoneRow)
        .join(FileRow, FileRow.id == EvidenceRow.file_id)
        .join(ZoneRow, ZoneRow.id == EvidenceRow.zone_id)
        .where(EvidenceRow.event_id == event_id)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound(f"there is no picture of crossing {event_id}: it was never taken, or its time is over")
    row, file, zone = found
    left, top, right, bottom = row.box
    return ShownEvidence(
        event_id=row.event_id,
        occurred_ns=to_ns(row.occurred_at),
        camera_id=row.camera_id,
        rule=zone.name,
        rule_id=zone.id,
        rule_version=zone.version,
        model=row.model,
        seen_ns=to_ns(row.seen_at),
        box=(left, top, right, bottom),
        trajectory=tuple(TrajectoryPoint(after_ms=round(ms), x=x, y=y) for ms, x, y in row.trajectory),
        path=file.path,
        sha256=file.sha256,
        size=file.size,
        mime_type=file.mime_type,
    )


def _add(
    session: Session, store: FileStore, new: Mapping[UUID, Evidence], crossings: Mapping[UUID, CrossingRow]
) -> None:
    files.lock_for_adding(session)
    stored = {event_id: store.put(picture.jpeg, mime_type=JPEG) for event_id, picture in new.items()}
    named = {f"{event_id}.jpg": file for event_id, file in stored.items()}
    file_ids = files.add_all(session, named, kind="evidence", mime_type=JPEG)
    rows = [
        {
            "event_id": event_id,
            "occurred_at": crossings[event_id].occurred_at,
            "camera_id": crossings[event_id].camera_id,
            "zone_id": crossings[event_id].zone_id,
            "file_id": file_ids[stored[event_id].path],
            "model": crossings[event_id].model,
            "seen_at": to_datetime(picture.seen_ns),
            "box": list(picture.box),
            "trajectory": [[point.after_ms, round(point.x, 4), round(point.y, 4)] for point in picture.trajectory],
        }
        for event_id, picture in new.items()
    ]
    session.execute(insert(EvidenceRow).on_conflict_do_nothing(constraint="uq_evidence_tenant_id_event_id"), rows)
