"""Archive files: Parquet, sorted, a row group a camera or some, so that reading one camera touches little of a file.

What a file holds, row group by row group, is kept outside of it, with a checksum of the rows. Whatever is damaged, be
it in a page, a header or the footer, either cannot be read or reads as other rows: it is noticed, never believed.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schema.errors import NotFound, Permanent
from schema.ports import FileStore
from schema.storage.trouble import classed
from schema.tiers.checksum import Fingerprint, of_table, total
from schema.tiers.kinds import DOUBLE, INT, REAL, TIME, Kind

ROWS_A_GROUP: Final = 64 * 1024
"""Cameras share a row group until it has so many rows."""
MOST_ROWS_A_GROUP: Final = 512 * 1024
_ZSTD_LEVEL: Final = 9


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A row group: its cameras, from the first to the last, and its rows."""

    first_camera_id: int
    last_camera_id: int
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a file holds; ``from_at`` and ``to_at`` are the earliest and latest time in it (None: no rows)."""

    groups: tuple[Group, ...] = ()
    from_at: datetime | None = None
    to_at: datetime | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """Of all rows."""
        return total(group.fingerprint for group in self.groups)

    def with_group(self, kind: Kind, table: pa.Table) -> "Contents":
        """With one more row group of these rows, at least one."""
        cameras = _ends(table["camera_id"])
        times = [_ends(table[name]) for name in kind.span]
        group = Group(first_camera_id=cameras[0], last_camera_id=cameras[1], fingerprint=of_table(kind, table))
        return Contents(
            groups=(*self.groups, group),
            from_at=min(first for first, _ in [*times, (self.from_at, None)] if first is not None),
            to_at=max(last for _, last in [*times, (None, self.to_at)] if last is not None),
        )


def write(to: BinaryIO, kind: Kind, tables: Iterable[pa.Table]) -> Contents:
    """Write a file.

    Args:
        to: an empty file, open for writing.
        kind: what sort of rows.
        tables: the rows in order, each table with all rows of its camera.

    Returns:
        What was written.
    """
    contents = Contents()
    with pq.ParquetWriter(to, kind.schema, **_options(kind)) as writer:
        for table in _in_groups(tables):
            writer.write_table(table, len(table))
            contents = contents.with_group(kind, table)
    return contents


def verify(files: FileStore, path: str, kind: Kind, contents: Contents) -> None:
    """Read a whole file, and compare it with what it should hold.

    Raises:
        Permanent: it is gone or damaged.
        StoreUnavailable: the file store does not answer.
    """
    for _ in read(files, path, kind, contents.groups):
        pass


def read(
    files: FileStore,
    path: str,
    kind: Kind,
    groups: Collection[Group],
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
        groups: all its row groups.
        camera_ids: of these cameras only.
        from_at: not before; compared with the kind's time, as ``to_at``.
        to_at: before.

    Raises:
        Permanent: it is gone or damaged; what was read until then is right, and not all.
        StoreUnavailable: the file store does not answer.
    """
    with _opened(files, path) as file:
        if file.num_row_groups != len(groups):
            raise _damaged(path, f"{file.num_row_groups} row groups instead of {len(groups)}")
        for number, group in enumerate(groups):
            if camera_ids is None or _has(group, camera_ids):
                table = file.read_row_group(number, use_threads=False)
                if table.schema != kind.schema or of_table(kind, table) != group.fingerprint:
                    raise _damaged(path, f"the rows of row group {number} have another checksum")
                yield _chosen(table, kind, camera_ids, from_at, to_at)


def by_camera(tables: Iterable[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """Rows that are in order of camera, camera by camera; none comes twice, however the tables divide them."""
    parts: list[pa.Table] = []
    camera_id: int | None = None
    for table in tables:
        for each in sorted(table["camera_id"].unique().to_pylist()):
            if camera_id is not None and each != camera_id:
                yield camera_id, pa.concat_tables(parts)
                parts = []
            camera_id = each
            parts.append(table.filter(pc.field("camera_id") == each))
    if camera_id is not None:
        yield camera_id, pa.concat_tables(parts)


def _in_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROWS_A_GROUP:
            yield from _divided(pa.concat_tables(waiting))
            waiting = []
    if any(map(len, waiting)):
        yield from _divided(pa.concat_tables(waiting))


def _divided(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, len(table), MOST_ROWS_A_GROUP):
        yield table.slice(start, MOST_ROWS_A_GROUP)


def _has(group: Group, camera_ids: Collection[int]) -> bool:
    return any(group.first_camera_id <= camera_id <= group.last_camera_id for camera_id in camera_ids)


@contextmanager
def _opened(files: FileStore, path: str) -> Iterator[pq.ParquetFile]:
    try:
        with classed("the file store", path), files.open(path) as file, _damage_told(path):
            yield pq.ParquetFile(pa.PythonFile(file, "r"))
    except NotFound as error:
        raise Permanent(f"archive file '{path}' is gone: restore it from a backup") from error


@contextmanager
def _damage_told(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file store's, not the file's
        raise _damaged(path, " ".join(str(error).split())) from error


def _damaged(path: str, reason: str) -> Permanent:
    return Permanent(f"archive file '{path}' is damaged ({reason}): restore it from a backup")


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
        "store_schema": True,
    }


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


def _ends(column: pa.ChunkedArray) -> tuple[Any, Any]:
    ends = pc.call_function("min_max", [column]).as_py()
    return ends["min"], ends["max"]
