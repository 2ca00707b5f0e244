"""The SQL of ``PostgresStore``: every statement takes arrays, one element a row, and is safe to repeat.

COPY into a temporary table would save a sixth of a large commit's work and nothing of a small one's (group commits
hold a few rows), and would need this second way all the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement whose bind names are ``columns``; each is bound to an array, an element a row."""

    sql: TextClause
    columns: tuple[str, ...]

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run it for all rows at once, values in the order of ``columns``; without rows nothing happens.

        Returns:
            The rows that it returns, if it does.
        """
        if not rows:
            return []
        arrays = (list(column) for column in zip(*rows, strict=True))
        result = connection.execute(self.sql, dict(zip(self.columns, arrays, strict=True)))
        return list(result) if result.returns_rows else []


def _insert(table: str, columns: Mapping[str, str], then: str) -> Statement:
    """``insert … select … from unnest(…)``, in the order given; ``columns`` gives their types."""
    arrays = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in columns.items())
    names = ", ".join(columns)
    sql = f"insert into {table} ({names}) select {names} from unnest({arrays}) as given ({names}) {then}"  # noqa: S608 - our own names
    return Statement(sql=text(sql), columns=tuple(columns))


_SUMS: Final = {
    "count_in": "bigint",
    "count_out": "bigint",
    "effective_in": "bigint",
    "effective_out": "bigint",
    "appeared": "bigint",
    "lost": "bigint",
    "dwell_s": "double precision",
}


def _added(table: str) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _SUMS)


# Held until the commit: a new lease is granted either before (and we see it) or after everything here is stored.
LOCK_LEASES = text(
    "select camera_id, holder, epoch, granted_at, expires_at from leases"
    " where camera_id = any(:camera_ids) order by camera_id for share"
)

RULES = text("select id, camera_id from zones where id = any(:rule_ids)")

# A checkpoint never goes back: a delivery that comes late brings a smaller one.
STREAMS = _insert(
    "streams",
    {
        "camera_id": "bigint",
        "epoch": "text",
        "started_at": "timestamptz",
        "is_file": "boolean",
        "checkpoint": "bigint",
        "state": "bytea",
        "finished": "boolean",
    },
    "on conflict (camera_id, epoch) do update"
    " set checkpoint = excluded.checkpoint, state = excluded.state, finished = excluded.finished"
    " where excluded.state is not null and excluded.checkpoint >= streams.checkpoint",
)

CROSSINGS = _insert(
    "crossings",
    {
        "occurred_at": "timestamptz",
        "event_id": "uuid",
        "camera_id": "bigint",
        "epoch": "text",
        "zone_id": "bigint",
        "track_id": "bigint",
        "kind": "text",
        "direction": "text",
        "cause": "text",
        "ordinal": "integer",
        "frame": "bigint",
        "confirmed_at": "timestamptz",
        "confidence": "real",
        "x": "real",
        "y": "real",
        "undoes": "uuid",
        "undoes_at": "timestamptz",
        "dwell_s": "double precision",
        "model": "text",
    },
    "on conflict (event_id, occurred_at) do nothing returning event_id",
)

BUCKETS = _insert(
    "counting_results",
    {"camera_id": "bigint", "zone_id": "bigint", "bucket": "timestamptz", **_SUMS},
    # By its name and not by its columns: the constraint may gain one when the table's partitions get their own.
    f"on conflict on constraint uq_counting_results_zone_id_bucket do update set {_added('counting_results')}",
)

TOTALS = _insert(
    "zone_totals",
    {"zone_id": "bigint", "revision": "bigint", "occupancy_base": "bigint", **_SUMS},
    f"on conflict (zone_id) do update set revision = zone_totals.revision + 1, {_added('zone_totals')},"
    " occupancy_base = zone_totals.occupancy_base + excluded.occupancy_base"
    f" returning zone_id, revision, occupancy_base, {', '.join(_SUMS)}",
)

COVERAGE = _insert(
    "coverage",
    {"camera_id": "bigint", "epoch": "text", "from_at": "timestamptz", "to_at": "timestamptz"},
    "on conflict (camera_id, epoch, from_at) do update"
    " set to_at = excluded.to_at where excluded.to_at > coverage.to_at",
)

EVENTS = _insert(
    "camera_events",
    {"timestamp": "timestamptz", "event_id": "uuid", "camera_id": "bigint", "event_type": "text", "data": "jsonb"},
    "on conflict (event_id, timestamp) do nothing",
)

# What a dead worker left behind may come late and is old news; the times of recordings are no order to go by.
STATUS = Statement(
    sql=text(
        "update cameras set status = given.status, status_at = given.at"
        " from unnest(cast(:camera_id as bigint[]), cast(:status as text[]), cast(:at as timestamptz[]))"
        " as given (camera_id, status, at)"
        " where cameras.id = given.camera_id"
        " and (cameras.status_at is null or cameras.status_at <= given.at or cameras.playback = 'recorded')"
    ),
    columns=("camera_id", "status", "at"),
)

# One JSON text instead of an array of them, whose every quotation mark would be escaped: three times as fast.
OUTBOX = text(
    "insert into outbox (event_id, routing_key, body) select event_id, routing_key, body"
    " from jsonb_to_recordset(cast(:messages as jsonb)) as given (event_id uuid, routing_key text, body jsonb)"
)
