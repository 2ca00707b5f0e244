"""The columns of exports, and how they are written as CSV or Parquet."""

import csv
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from schema.jobs import ExportArguments
from schema.times import to_ns, to_text

Row = tuple[Any, ...]

MIME_TYPES: Final = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
SUMS: Final = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost")
_TIME = pa.timestamp("us", tz="UTC")
CROSSINGS: Final = pa.schema(
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
COUNTS: Final = pa.schema(
    [
        ("from", _TIME),
        ("to", _TIME),
        ("camera_id", pa.int64()),
        ("camera", pa.string()),
        ("rule", pa.string()),
        ("kind", pa.string()),
        *((name, pa.int64()) for name in SUMS),
        ("dwell_s", pa.float64()),
        ("covered_s", pa.float64()),
    ]
)


@contextmanager
def writer(path: Path, asked: ExportArguments) -> Generator[Callable[[Sequence[Row]], None]]:
    """A function that appends rows to a new file; the file is whole when the block ends."""
    schema = CROSSINGS if asked.what == "crossings" else COUNTS
    if asked.format == "parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as table:
            yield lambda rows: table.write_table(_table(rows, schema))
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(schema.names)
        yield lambda rows: lines.writerows(map(_as_text, rows))


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _as_text(row: Row) -> list[Any]:
    """Times as ISO 8601, nothing as nothing."""
    return [to_text(to_ns(value)) if isinstance(value, datetime) else value for value in row]
