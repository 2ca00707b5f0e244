"""Crossings or counts of a span of time, as one CSV or Parquet file in the file storage.

The file is named by its content, so an export that is done twice is one file. It is made page by page in a temporary
file: how long the span is does not matter to memory.
"""

import csv
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from actors.jobs.task import Task
from schema.database import transaction
from schema.jobs import ExportArguments
from schema.ports import FileStore
from schema.queries import cameras, counts, crossings, files
from schema.queries.counts import CountBucket
from schema.tiers.history import ArchivedCounts
from schema.times import to_datetime, to_ns, to_text

PAGE: Final = 5000
KEEP_DAYS: Final = 7
"""How long an export can be fetched."""
_MIME_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_TIME = pa.timestamp("us", tz="UTC")
_CROSSINGS = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", _TIME),
        ("camera_id", pa.int64()),
        ("camera", pa.string()),
        ("rule", pa.string()),
        ("rule_id", pa.int64()),
        ("kind", pa.string()),
        ("direction", pa.string()),
        ("cause", pa.string()),
        ("track_id", pa.int64()),
        ("confidence", pa.float32()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("undoes", pa.string()),
        ("dwell_s", pa.float64()),
        ("model", pa.string()),
    ]
)
_SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost")
_COUNTS = pa.schema(
    [
        ("from", _TIME),
        ("to", _TIME),
        ("camera_id", pa.int64()),
        ("camera", pa.string()),
        ("rule", pa.string()),
        ("kind", pa.string()),
        *((name, pa.int64()) for name in _SUMS),
        ("dwell_s", pa.float64()),
        ("covered_s", pa.float64()),
    ]
)

Row = tuple[Any, ...]
Write = Callable[[list[Row]], None]


def export(task: Task, *, engine: Engine, store: FileStore, now_ns: int) -> dict[str, Any]:
    """Do an export.

    Args:
        task: with ``ExportArguments``.
        engine: PostgreSQL.
        store: where the file goes.
        now_ns: the time, from which the file is kept ``KEEP_DAYS``.

    Returns:
        ``file_id``, ``filename``, ``path`` and ``sha256`` of the file, its ``size`` in bytes, its number of ``rows``
        and when it ``expires_at``.

    Raises:
        BadInput: there is no such camera.
        StoreUnavailable: PostgreSQL or the file storage does not answer.
        Over: the job is no longer this worker's.
    """
    asked = ExportArguments.model_validate(task.arguments)
    tenant_id = task.job.tenant_id
    if asked.what == "crossings":
        pages = _crossings(engine, tenant_id, asked)
    else:
        pages = _counts(engine, ArchivedCounts(files=store), tenant_id, asked)
    rows = 0
    with tempfile.TemporaryDirectory(prefix="turnstile-export-") as folder:
        path = Path(folder) / "export"
        with _writer(path, asked) as write:
            for reached, page in pages:
                write(page)
                rows += len(page)
                task.report(0.95 * _share(asked, reached), f"{rows} rows, up to {reached:%Y-%m-%d %H:%M}")
        with path.open("rb") as content, transaction(engine, tenant_id) as session:
            kept = files.keep(
                session,
                store,
                content,
                kind="export",
                filename=f"{asked.what}-{asked.from_:%Y%m%dT%H%M}-{asked.to:%Y%m%dT%H%M}.{asked.format}",
                mime_type=_MIME_TYPES[asked.format],
                expires_ns=now_ns + KEEP_DAYS * 86400 * 10**9,
            )
    return {
        "file_id": kept.id,
        "filename": kept.filename,
        "path": kept.path,
        "sha256": kept.sha256,
        "size": kept.size,
        "rows": rows,
        "expires_at": None if kept.expires_ns is None else to_text(kept.expires_ns),
    }


def _share(asked: ExportArguments, reached: datetime) -> float:
    return (reached - asked.from_) / (asked.to - asked.from_)


def _crossings(engine: Engine, tenant_id: int, asked: ExportArguments) -> Iterator[tuple[datetime, list[Row]]]:
    """Pages in order of time, and how far each reaches."""
    with transaction(engine, tenant_id) as session:
        camera_id = None if asked.camera is None else cameras.by_name(session, asked.camera).id
        names = {camera.id: camera.name for camera in cameras.listing(session)}
    cursor: str | None = None
    while True:
        with transaction(engine, tenant_id) as session:
            page = crossings.page(
                session,
                from_ns=to_ns(asked.from_),
                to_ns=to_ns(asked.to),
                camera_id=camera_id,
                order="oldest",
                cursor=cursor,
                limit=PAGE,
            )
        rows = [
            (
                str(one.event_id), to_datetime(one.occurred_ns), one.camera_id, names.get(one.camera_id), one.rule,
                one.rule_id, one.kind, one.direction, one.cause, one.track_id, one.confidence, one.x, one.y,
                None if one.undoes is None else str(one.undoes), one.dwell_s, one.model,
            )
            for one in page.crossings
        ]  # fmt: skip
        yield (rows[-1][1] if page.next_cursor else asked.to), rows
        cursor = page.next_cursor
        if cursor is None:
            return


def _counts(
    engine: Engine, archived: ArchivedCounts, tenant_id: int, asked: ExportArguments
) -> Iterator[tuple[datetime, list[Row]]]:
    """Day by day, whole buckets; in a day by camera, rule and time."""
    with transaction(engine, tenant_id) as session:
        camera_ids = None if asked.camera is None else [cameras.by_name(session, asked.camera).id]
    begin = asked.from_.astimezone(UTC)
    while begin < asked.to:
        midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        end = min(midnight, asked.to)
        with transaction(engine, tenant_id, one_snapshot=True) as session:
            found = counts.buckets(
                session,
                from_ns=to_ns(begin),
                to_ns=to_ns(end),
                resolution=asked.resolution,
                camera_ids=camera_ids,
                archived=archived,
            )
        yield end, [_count_row(bucket) for bucket in found]
        begin = end


def _count_row(bucket: CountBucket) -> Row:
    return (
        to_datetime(bucket.from_ns),
        to_datetime(bucket.to_ns),
        bucket.camera_id,
        bucket.camera,
        bucket.rule,
        bucket.kind,
        *(getattr(bucket.totals, name) for name in _SUMS),
        bucket.totals.dwell_s,
        bucket.covered_s,
    )


@contextmanager
def _writer(path: Path, asked: ExportArguments) -> Generator[Write]:
    schema = _CROSSINGS if asked.what == "crossings" else _COUNTS
    if asked.format == "parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield lambda rows: writer.write_table(_table(rows, schema))
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(schema.names)
        yield lambda rows: lines.writerows(map(_as_text, rows))


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def _as_text(row: Row) -> list[Any]:
    """Times as ISO 8601, nothing as nothing."""
    return [to_text(to_ns(value)) if isinstance(value, datetime) else value for value in row]
