"""The SQL of ``PostgresStore``: every statement is safe to repeat.

Crossings come by way of a temporary table; everything else as arrays, one element a row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, TextClause, text

from actors.sinks import arrays, incoming

_AS_ARRAY: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "bigint": arrays.numbers,
    "double precision": arrays.floats,
    "timestamptz": arrays.moments,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement whose bind names are ``columns``, with their types; each is bound to an array, an element a row.

    Values of a ``timestamptz`` are nanoseconds since 1970 UTC.
    """

    sql: TextClause
    columns: Mapping[str, str]

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run it for all rows at once, values in the order of ``columns``; without rows nothing happens.

        Returns:
            The rows that it returns, if it does.
        """
        if not rows:
            return []
        columns = zip(self.columns.items(), zip(*rows, strict=True), strict=True)
        bound = {name: _AS_ARRAY.get(kind, list)(values) for (name, kind), values in columns}
        result = connection.execute(self.sql, bound)
        return list(result) if result.returns_rows else []


def _insert(table: str, columns: Mapping[str, str], then: str) -> Statement:
    """``insert … select … from unnest(…)``, in the order given; ``columns`` gives their types."""
    arrays = ", ".join(f"cast(:{name} as {kind}[])" for name, kind in columns.items())
    names = ", ".join(columns)
    sql = f"insert into {table} ({names}) select {names} from unnest({arrays}) as given ({names}) {then}"  # noqa: S608 - our own names
    return Statement(sql=text(sql), columns=columns)


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

# All of them being new is the rule, and then their number says so.
CROSSINGS = text(
    f"with fresh as (insert into crossings ({incoming.COLUMNS}) {incoming.SELECTED}"  # noqa: S608 - our own names
    " on conflict (event_id, occurred_at) do nothing returning event_id)"
    " select case when count(*) < :given then coalesce(array_agg(event_id), '{}') end from fresh"
)

OUTBOX = text(
    "insert into outbox_crossings (event_ids, first_at, last_at)"
    " values (cast(:event_ids as uuid[]), :first_at, :last_at)"
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

# The day's row is right at once; its hours and its month follow when the roll-up finds it stale.
DAYS = _insert(
    "analytics",
    {
        "period": "analytics_period",
        "timestamp": "timestamptz",
        "camera_id": "bigint",
        "zone_id": "bigint",
        "revision": "bigint",
        **_SUMS,
    },
    f"on conflict (zone_id, type, period, timestamp) do update set revision = analytics.revision + 1, stale = true,"
    f" {_added('analytics')}",
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
    columns={"camera_id": "bigint", "status": "text", "at": "timestamptz"},
)
