"""Archive files: Parquet, sorted, a row group a camera or some, so that reading one camera touches little of a file.

Every page carries a checksum and is checked when it is read: a damaged file is noticed, never believed.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schema.errors import NotFound, Permanent
from schema.ports import FileStore
from schema.storage.trouble import classed
from schema.tiers.checksum import Fingerprint, of_table
from schema.tiers.kinds import DOUBLE, INT, REAL, TIME, Kind

ROWS_A_GROUP: Final = 64 * 1024
"""Cameras share a row group until it has so many rows."""
MOST_ROWS_A_GROUP: Final = 512 * 1024
_ZSTD_LEVEL: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a file holds: rows and checksum, and the earliest and latest time (None: no rows)."""

    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    from_at: datetime | None = None
    to_at: datetime | None = None

    def with_table(self, kind: Kind, table: pa.Table) -> "Contents":
        """With these rows, too."""
        if not len(table):
            return self
        ends = [_ends(table[name]) for name, arrow in kind.columns if name in _SPAN.get(kind.name, (kind.time,))]
        firsts = [*(low for low, _ in ends), *([self.from_at] if self.from_at else [])]
        lasts = [*(high for _, high in ends), *([self.to_at] if self.to_at else [])]
        return Contents(fingerprint=self.fingerprint + of_table(kind, table), from_at=min(firsts), to_at=max(lasts))


_SPAN: Final = {"coverage": ("from_at", "to_at")}
"""Columns that say from when to when a row is, where there is more than one."""


def write(to: BinaryIO, kind: Kind, tables: Iterable[pa.Table]) -> Contents:
    """Write a file.

    Args:
        to: an empty file, open for writing.
        kind: what sort of rows.
        tables: the rows in order, each table with all rows of its camera.

    Returns:
        What is in it now, as far as we know: read it back to be sure.
    """
    contents = Contents()
    with pq.ParquetWriter(to, kind.schema, **_options(kind)) as writer:
        waiting: list[pa.Table] = []
        for table in tables:
            contents = contents.with_table(kind, table)
            waiting.append(table)
            if sum(map(len, waiting)) >= ROWS_A_GROUP:
                writer.write_table(pa.concat_tables(waiting), MOST_ROWS_A_GROUP)
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting), MOST_ROWS_A_GROUP)
    return contents


def contents(files: FileStore, path: str, kind: Kind) -> Contents:
    """Read a whole file, and say what is in it.

    Raises:
        Permanent: it is gone or damaged.
        StoreUnavailable: the file store does not answer.
    """
    found = Contents()
    for table in read(files, path, kind):
        found = found.with_table(kind, table)
    return found


def read(
    files: FileStore,
    path: str,
    kind: Kind,
    *,
    camera_ids: Collection[int] | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
) -> Iterator[pa.Table]:
    """Rows of a file, table by table, in the file's order.

    Args:
        files: where it lies.
        path: its path there.
        kind: what sort of rows.
        camera_ids: of these cameras only.
        from_at: not before; compared with the kind's time, as ``to_at``.
        to_at: before.

    Raises:
        Permanent: it is gone or damaged; what was read until then is right, and not all.
        StoreUnavailable: the file store does not answer.
    """
    with _opened(files, path) as file:
        for group in range(file.num_row_groups):
            if _may_hold(file.metadata.row_group(group), kind, camera_ids, from_at, to_at):
                table = file.read_row_group(group, use_threads=False)
                yield _chosen(table, kind, camera_ids, from_at, to_at)


def cameras(files: FileStore, path: str) -> set[int]:
    """The cameras that a file has rows of.

    Raises:
        Permanent: it is gone or damaged.
        StoreUnavailable: the file store does not answer.
    """
    found: set[int] = set()
    with _opened(files, path) as file:
        for group in range(file.num_row_groups):
            found.update(file.read_row_group(group, columns=["camera_id"])["camera_id"].unique().to_pylist())
    return found


@contextmanager
def _opened(files: FileStore, path: str) -> Iterator[pq.ParquetFile]:
    try:
        with classed("the file store", path), files.open(path) as file, _damage_told(path):
            yield pq.ParquetFile(pa.PythonFile(file, "r"), page_checksum_verification=True)
    except NotFound as error:
        raise Permanent(f"archive file '{path}' is gone: restore it from a backup") from error


@contextmanager
def _damage_told(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file store's, not the file's
        reason = " ".join(str(error).split())
        raise Permanent(f"archive file '{path}' is damaged ({reason}): restore it from a backup") from error


def _options(kind: Kind) -> dict[str, Any]:
    """Sorted columns shrink to their steps, words to their numbers; numbers are compressed byte place by byte place."""
    encodings = {TIME: "DELTA_BINARY_PACKED", INT: "BYTE_STREAM_SPLIT", REAL: "BYTE_STREAM_SPLIT"}
    encodings[DOUBLE] = "BYTE_STREAM_SPLIT"
    words = [name for name, arrow in kind.columns if arrow not in encodings or name in ("camera_id", "zone_id")]
    return {
        "compression": "zstd",
        "compression_level": _ZSTD_LEVEL,
        "use_dictionary": words,
        "column_encoding": {name: encodings[arrow] for name, arrow in kind.columns if name not in words},
        "write_page_checksum": True,
        "store_schema": True,
    }


def _may_hold(
    group: pq.RowGroupMetaData,
    kind: Kind,
    camera_ids: Collection[int] | None,
    from_at: datetime | None,
    to_at: datetime | None,
) -> bool:
    places = {group.column(place).path_in_schema: group.column(place).statistics for place in range(group.num_columns)}
    cameras_there, times = places["camera_id"], places[kind.time]
    return (
        (camera_ids is None or any(cameras_there.min <= camera_id <= cameras_there.max for camera_id in camera_ids))
        and (from_at is None or times.max >= from_at)
        and (to_at is None or times.min < to_at)
    )


def _chosen(
    table: pa.Table,
    kind: Kind,
    camera_ids: Collection[int] | None,
    from_at: datetime | None,
    to_at: datetime | None,
) -> pa.Table:
    if camera_ids is not None:
        table = table.filter(pc.field("camera_id").isin(list(camera_ids)))
    if from_at is not None:
        table = table.filter(pc.field(kind.time) >= pa.scalar(from_at, TIME))
    if to_at is not None:
        table = table.filter(pc.field(kind.time) < pa.scalar(to_at, TIME))
    return table


def _ends(column: pa.ChunkedArray) -> tuple[datetime, datetime]:
    ends = pc.call_function("min_max", [column]).as_py()
    return ends["min"], ends["max"]
