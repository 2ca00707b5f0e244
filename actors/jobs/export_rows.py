"""The rows of an export, from whichever tier they lie in, some thousands at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from actors.jobs.export_file import SUMS, Row
from schema.events import Crossing
from schema.jobs import ExportArguments
from schema.ports import FileStore
from schema.queries import cameras, counts, crossings
from schema.queries.counts import CountBucket
from schema.tables import CameraRow, ZoneRow
from schema.tiers import archives, parquet
from schema.tiers.history import ArchivedCounts
from schema.tiers.kinds import CROSSINGS
from schema.times import to_datetime, to_ns

PAGE: Final = 5000

Page = tuple[datetime, list[Row]]
"""Rows, and up to when all rows have been given when these have."""


def pages(session: Session, store: FileStore, asked: ExportArguments) -> Iterator[Page]:
    """All rows that are asked for, each once.

    Crossings come in order of time; those that lie in archives come first, archive by archive, and in each by camera.
    Counts come by month, camera, rule and time, in whole buckets.

    Args:
        session: a transaction of the tenant in one snapshot.
        store: where archives lie.
        asked: what is wanted.

    Raises:
        BadInput: there is no such camera.
        Permanent: an archive is gone or damaged.
        StoreUnavailable: PostgreSQL or the store does not answer.
    """
    camera_id = None if asked.camera is None else cameras.by_name(session, asked.camera).id
    if asked.what == "counts":
        yield from _counts(session, store, asked, camera_id)
        return
    names = _Names(session)
    yield from _archived_crossings(session, store, asked, camera_id, names)
    yield from _crossings(session, asked, camera_id, names)


class _Names:
    """Names of all cameras and rules that ever were."""

    def __init__(self, session: Session) -> None:
        self.camera: dict[int, str] = {
            row.id: row.name for row in session.execute(select(CameraRow.id, CameraRow.name))
        }
        self.rule: dict[int, str] = {row.id: row.name for row in session.execute(select(ZoneRow.id, ZoneRow.name))}


def _archived_crossings(
    session: Session, store: FileStore, asked: ExportArguments, camera_id: int | None, names: _Names
) -> Iterator[Page]:
    reached = asked.from_
    for archive in archives.current(session, CROSSINGS.name, from_at=asked.from_, to_at=asked.to):
        tables = parquet.read(
            store,
            archive.path,
            CROSSINGS,
            archive.contents.groups,
            camera_ids=None if camera_id is None else [camera_id],
            from_at=asked.from_,
            to_at=asked.to,
        )
        for table in tables:
            for batch in table.to_batches(max_chunksize=PAGE):
                yield reached, [_archived_row(one, names) for one in batch.to_pylist()]
        end = datetime.combine(archive.period.end_day, datetime.min.time(), UTC)
        reached = min(max(reached, end), asked.to)


def _archived_row(one: dict[str, Any], names: _Names) -> Row:
    return (
        one["event_id"], one["occurred_at"], one["camera_id"], names.camera.get(one["camera_id"]),
        names.rule.get(one["zone_id"]), one["zone_id"], one["kind"], one["direction"], one["cause"], one["track_id"],
        one["confidence"], one["x"], one["y"], one["undoes"], one["dwell_s"], one["model"],
    )  # fmt: skip


def _crossings(session: Session, asked: ExportArguments, camera_id: int | None, names: _Names) -> Iterator[Page]:
    cursor: str | None = None
    while True:
        page = crossings.page(
            session,
            from_ns=to_ns(asked.from_),
            to_ns=to_ns(asked.to),
            camera_id=camera_id,
            order="oldest",
            cursor=cursor,
            limit=PAGE,
        )
        rows = [_row(one, names) for one in page.crossings]
        yield (rows[-1][1] if page.next_cursor else asked.to), rows
        cursor = page.next_cursor
        if cursor is None:
            return


def _row(one: Crossing, names: _Names) -> Row:
    return (
        str(one.event_id), to_datetime(one.occurred_ns), one.camera_id, names.camera.get(one.camera_id),
        one.rule, one.rule_id, one.kind, one.direction, one.cause, one.track_id,
        one.confidence, one.x, one.y, None if one.undoes is None else str(one.undoes), one.dwell_s, one.model,
    )  # fmt: skip


def _counts(session: Session, store: FileStore, asked: ExportArguments, camera_id: int | None) -> Iterator[Page]:
    """A month of one camera at a time: its minutes fit into memory, and archives are read by camera."""
    every = select(ZoneRow.camera_id).distinct().order_by(ZoneRow.camera_id)
    camera_ids = [camera_id] if camera_id is not None else list(session.scalars(every))
    begin = asked.from_.astimezone(UTC)
    while begin < asked.to:
        month = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = min((month + timedelta(days=32)).replace(day=1), asked.to.astimezone(UTC))
        for one in camera_ids:
            found = counts.buckets(
                session,
                from_ns=to_ns(begin),
                to_ns=to_ns(end),
                resolution=asked.resolution,
                camera_ids=[one],
                archived=ArchivedCounts(files=store),
            )
            yield begin, [_count_row(bucket) for bucket in found]
        begin = end


def _count_row(bucket: CountBucket) -> Row:
    return (
        to_datetime(bucket.from_ns),
        to_datetime(bucket.to_ns),
        bucket.camera_id,
        bucket.camera,
        bucket.rule,
        bucket.kind,
        *(getattr(bucket.totals, name) for name in SUMS),
        bucket.totals.dwell_s,
        bucket.covered_s,
    )
