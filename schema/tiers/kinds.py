"""What ages, and how a row of it looks in an archive."""

from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

KindName = Literal["counting_results", "crossings", "camera_events", "coverage"]
Retention = Literal["hot_days", "warm_days"]

INT: Final = pa.int64()
TIME: Final = pa.timestamp("us", "UTC")
REAL: Final = pa.float32()
DOUBLE: Final = pa.float64()
TEXT: Final = pa.string()


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Rows of one sort.

    Attributes:
        name: the table that they come from.
        columns: names and types in an archive; the table has columns of these names, or of counts, ``packed_minutes``.
        time: the column that says when it was; it is of type TIME.
        until: the column that says until when it was, where that is another one; of type TIME, too.
        order: the columns that archives are sorted by, the camera first; they name a row.
        added: columns that add up where two rows have the same ``order``; without any, the rows are the same row.
        kept: after how many days, as the tenant says, a month goes to an archive.
        ripe: what must hold of a row besides its age, in SQL, with ``:before``, the time that it must have passed, and
            ``:last``, the end of its month.
    """

    name: KindName
    columns: tuple[tuple[str, pa.DataType], ...]
    time: str
    until: str | None = None
    order: tuple[str, ...]
    added: tuple[str, ...] = ()
    kept: Retention
    ripe: str = "true"

    @property
    def span(self) -> tuple[str, ...]:
        """The columns that say when it was."""
        return (self.time,) if self.until is None else (self.time, self.until)

    @property
    def schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema(self.columns)


COUNTS: Final = Kind(
    name="counting_results",
    columns=(
        ("camera_id", INT),
        ("zone_id", INT),
        ("bucket", TIME),
        ("count_in", INT),
        ("count_out", INT),
        ("undone_in", INT),
        ("undone_out", INT),
        ("appeared", INT),
        ("lost", INT),
        ("dwell_ms", INT),
    ),
    time="bucket",
    order=("camera_id", "zone_id", "bucket"),
    added=("count_in", "count_out", "undone_in", "undone_out", "appeared", "lost", "dwell_ms"),
    kept="warm_days",
)

# A file that is counted again must find its crossings, or it would count them twice: those of a file that was begun
# lately stay, however old the recording is.
CROSSINGS: Final = Kind(
    name="crossings",
    columns=(
        ("camera_id", INT),
        ("occurred_at", TIME),
        ("event_id", TEXT),
        ("epoch", TEXT),
        ("zone_id", INT),
        ("track_id", INT),
        ("kind", TEXT),
        ("direction", TEXT),
        ("cause", TEXT),
        ("ordinal", INT),
        ("frame", INT),
        ("confirmed_at", TIME),
        ("confidence", REAL),
        ("x", REAL),
        ("y", REAL),
        ("undoes", TEXT),
        ("undoes_at", TIME),
        ("dwell_s", DOUBLE),
        ("model", TEXT),
    ),
    time="occurred_at",
    order=("camera_id", "occurred_at", "event_id"),
    kept="hot_days",
    ripe="not exists (select from streams s where s.camera_id = crossings.camera_id and s.epoch = crossings.epoch"
    " and s.is_file and s.created_at >= :before)"
    # The message about a crossing is made from its row when the broker takes it.
    " and not exists (select from outbox_crossings told where told.first_at < :last)",
)

EVENTS: Final = Kind(
    name="camera_events",
    columns=(("camera_id", INT), ("timestamp", TIME), ("event_id", TEXT), ("event_type", TEXT), ("data", TEXT)),
    time="timestamp",
    order=("camera_id", "timestamp", "event_id"),
    kept="hot_days",
)

# It stays as long as the counts that it stands beside, and an interval that may still grow stays in any case.
COVERAGE: Final = Kind(
    name="coverage",
    columns=(("camera_id", INT), ("epoch", TEXT), ("from_at", TIME), ("to_at", TIME)),
    time="from_at",
    until="to_at",
    order=("camera_id", "from_at", "epoch", "to_at"),
    kept="warm_days",
    ripe="to_at < :before",
)

KINDS: Final = (COUNTS, CROSSINGS, EVENTS, COVERAGE)
