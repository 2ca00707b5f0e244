"""Stream epochs: when they began and how far they were counted."""

from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from schema.events import Checkpoint
from schema.tables import StreamRow
from schema.times import to_datetime, to_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """One stream epoch of a camera; ``checkpoint`` is None until the first one."""

    camera_id: int
    epoch: str
    started_ns: int
    is_file: bool
    checkpoint: Checkpoint | None


def start(session: Session, camera_id: int, epoch: str, *, started_ns: int, is_file: bool) -> Stream:
    """Begin a stream, or find it: a file that was counted before keeps its first ``started_ns`` and its checkpoint."""
    session.execute(
        text(
            "insert into streams (camera_id, epoch, started_at, is_file)"
            " values (:camera_id, :epoch, :started_at, :is_file) on conflict do nothing"
        ),
        {"camera_id": camera_id, "epoch": epoch, "started_at": to_datetime(started_ns), "is_file": is_file},
    )
    stream = get(session, camera_id, epoch)
    assert stream is not None, "it was there or has just been made"  # noqa: S101
    return stream


def get(session: Session, camera_id: int, epoch: str) -> Stream | None:
    """The stream with its newest checkpoint, or None if there is no such stream."""
    row = session.get(StreamRow, (camera_id, epoch), populate_existing=True)
    return row and _stream(row)


def restart(session: Session, camera_id: int, epoch: str) -> None:
    """Forget how far a file was counted, so that it is counted from its first frame again; its crossings stay."""
    session.execute(
        text(
            "update streams set checkpoint = 0, state = null, finished = false"
            " where camera_id = :camera_id and epoch = :epoch"
        ),
        {"camera_id": camera_id, "epoch": epoch},
    )


def unfinished(session: Session) -> list[Stream]:
    """Files that were begun and not counted to their end."""
    rows = session.scalars(
        select(StreamRow).where(StreamRow.is_file, ~StreamRow.finished).order_by(StreamRow.camera_id, StreamRow.epoch)
    )
    return [_stream(row) for row in rows]


def _stream(row: StreamRow) -> Stream:
    checkpoint = None
    if row.state is not None:
        checkpoint = Checkpoint(epoch=row.epoch, seq=row.checkpoint, state=row.state, finished=row.finished)
    return Stream(
        camera_id=row.camera_id,
        epoch=row.epoch,
        started_ns=to_ns(row.started_at),
        is_file=row.is_file,
        checkpoint=checkpoint,
    )
