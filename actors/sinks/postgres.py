"""The truth in PostgreSQL: one transaction a commit, safe to repeat."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from actors.counting.buckets import buckets
from actors.sinks import statements
from actors.sinks.fence import Admitted, admit
from schema.database import open_engine, unavailable_as_retryable
from schema.errors import Permanent
from schema.events import Bucket, Committed, Crossing, Delivery, RuleTotals, Totals
from schema.leases import Lease
from schema.partitions import Partitioned, ensure_months, month_of
from schema.tables.cameras import STATUSES
from schema.times import to_datetime, to_ns
from schema.wire import crossing_event, dump

_SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost", "dwell_s")


class PostgresStore:
    """The store behind ``schema.ports.Store``. Safe to call from several threads; each commit takes a connection.

    Rows are locked in the order of their keys, leases first, so that commits of several processes wait for each other
    and never in a circle. After a restart of PostgreSQL the next commit connects anew.
    """

    def __init__(self, dsn: str, *, pool_size: int = 2) -> None:
        """Connect when first needed.

        Raises:
            BadInput: the address has a wrong form.
        """
        self._engine = open_engine(dsn, pool_size=pool_size)
        # Both only ever say what can no longer change: which months have a partition, whose a rule is.
        self._months: dict[Partitioned, set[datetime]] = {
            "crossings": set(),
            "counting_results": set(),
            "camera_events": set(),
        }
        self._rules: dict[int, int] = {}

    def commit(self, deliveries: Sequence[Delivery]) -> Committed:
        """Store deliveries as ``schema.ports.Store`` says.

        Raises:
            StoreUnavailable: nothing was stored; committing the same again is safe.
            Permanent: nothing was stored, because one of the deliveries holds impossible values.
        """
        try:
            with unavailable_as_retryable(self._engine):
                self._ensure_months(deliveries)
                with self._engine.begin() as connection:
                    return self._store(connection, deliveries)
        except (DataError, IntegrityError) as error:
            raise Permanent(f"PostgreSQL refuses a delivery: {error.orig}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _store(self, connection: Connection, deliveries: Sequence[Delivery]) -> Committed:
        admitted = self._admit(connection, deliveries)
        _store_streams(connection, admitted.deliveries)
        crossings = _store_crossings(connection, admitted.deliveries)
        totals = _store_counts(connection, crossings)
        _store_coverage(connection, admitted.deliveries)
        _store_events(connection, admitted.deliveries)
        return Committed(
            crossings=tuple(crossings), totals=tuple(totals), refused_camera_ids=admitted.refused_camera_ids
        )

    def _ensure_months(self, deliveries: Sequence[Delivery]) -> None:
        crossings = [crossing for delivery in deliveries for crossing in delivery.crossings]
        occurred = {crossing.occurred_ns for crossing in crossings}
        undone = {crossing.undoes_ns for crossing in crossings if crossing.undoes_ns is not None}
        happened = {event.occurred_ns for delivery in deliveries for event in delivery.events}
        touched: tuple[tuple[Partitioned, set[int]], ...] = (
            ("crossings", occurred),
            ("counting_results", occurred | undone),
            ("camera_events", happened),
        )
        for table, times in touched:
            missing = {month_of(to_datetime(ns)) for ns in times} - self._months[table]
            if missing:
                ensure_months(self._engine, table, missing)
                self._months[table] |= missing

    def _admit(self, connection: Connection, deliveries: Sequence[Delivery]) -> Admitted:
        camera_ids = sorted({delivery.camera_id for delivery in deliveries})
        rows = connection.execute(statements.LOCK_LEASES, {"camera_ids": camera_ids})
        leases = {
            row.camera_id: Lease(
                camera_id=row.camera_id,
                holder=row.holder,
                epoch=row.epoch,
                granted_ns=to_ns(row.granted_at),
                expires_ns=to_ns(row.expires_at),
            )
            for row in rows
        }
        unknown = {c.rule_id for delivery in deliveries for c in delivery.crossings} - self._rules.keys()
        if unknown:
            found = connection.execute(statements.RULES, {"rule_ids": sorted(unknown)})
            self._rules.update((row.id, row.camera_id) for row in found)
        return admit(deliveries, leases, self._rules)


def _store_streams(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    rows: dict[tuple[int, str], tuple[Any, ...]] = {}
    for delivery in deliveries:
        checkpoint = delivery.checkpoint
        row = (
            delivery.camera_id,
            delivery.epoch,
            to_datetime(delivery.started_ns),
            delivery.is_file,
            checkpoint.seq if checkpoint else 0,
            checkpoint.state if checkpoint else None,
            checkpoint.finished if checkpoint else False,
        )
        known = rows.get(row[:2])
        if known is None or (checkpoint and checkpoint.seq >= known[4]):
            rows[row[:2]] = row
    _run(
        connection,
        statements.STREAMS,
        ("camera_id", "epoch", "started_at", "is_file", "checkpoint", "state", "finished"),
        (row for _, row in sorted(rows.items())),
    )


def _store_crossings(connection: Connection, deliveries: Sequence[Delivery]) -> list[Crossing]:
    """Insert what is new, with its messages; returns it in order of occurrence."""
    given = {crossing.event_id: crossing for delivery in deliveries for crossing in delivery.crossings}
    if not given:
        return []
    rows = (_crossing_row(given[event_id]) for event_id in sorted(given))
    inserted = _run(connection, statements.CROSSINGS, tuple(statements.CROSSING_COLUMNS), rows)
    new = sorted((given[event_id] for (event_id,) in inserted), key=lambda crossing: crossing.occurred_ns)
    if new:
        connection.execute(statements.OUTBOX, {"messages": dump([_message(crossing) for crossing in new]).decode()})
    return new


def _crossing_row(crossing: Crossing) -> tuple[Any, ...]:
    return (
        to_datetime(crossing.occurred_ns),
        crossing.event_id,
        crossing.camera_id,
        crossing.epoch,
        crossing.rule_id,
        crossing.track_id,
        crossing.kind,
        crossing.direction,
        crossing.cause,
        crossing.ordinal,
        crossing.frame,
        to_datetime(crossing.confirmed_ns),
        crossing.confidence,
        crossing.x,
        crossing.y,
        crossing.undoes,
        None if crossing.undoes_ns is None else to_datetime(crossing.undoes_ns),
        crossing.dwell_s,
        crossing.model,
    )


def _message(crossing: Crossing) -> dict[str, Any]:
    return {
        "event_id": str(crossing.event_id),
        "routing_key": f"crossing.{crossing.camera_id}.{crossing.rule_id}",
        "body": crossing_event(crossing),
    }


def _store_counts(connection: Connection, crossings: Sequence[Crossing]) -> list[RuleTotals]:
    """Add new crossings to their minutes and to the totals; returns the totals that changed."""
    minutes = buckets(crossings)
    _run(
        connection,
        statements.BUCKETS,
        ("camera_id", "zone_id", "bucket", *_SUMS),
        ((b.camera_id, b.rule_id, to_datetime(b.minute_ns), *_sums(b.totals)) for b in minutes),
    )
    added = _by_rule(minutes)
    rules = {crossing.rule_id: crossing for crossing in crossings}
    rows = _run(
        connection,
        statements.TOTALS,
        ("zone_id", "revision", *_SUMS),
        ((rule_id, 1, *_sums(totals)) for rule_id, totals in sorted(added.items())),
    )
    return [
        RuleTotals(
            camera_id=rules[row.zone_id].camera_id,
            rule_id=row.zone_id,
            rule=rules[row.zone_id].rule,
            revision=row.revision,
            totals=Totals(**{name: getattr(row, name) for name in _SUMS}),
            occupancy_base=row.occupancy_base,
        )
        for row in rows
    ]


def _by_rule(minutes: Iterable[Bucket]) -> dict[int, Totals]:
    sums: dict[int, Totals] = {}
    for bucket in minutes:
        sums[bucket.rule_id] = sums.get(bucket.rule_id, Totals()) + bucket.totals
    return sums


def _sums(totals: Totals) -> tuple[float, ...]:
    return tuple(getattr(totals, name) for name in _SUMS)


def _store_coverage(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    longest: dict[tuple[int, str, datetime], datetime] = {}
    for delivery in deliveries:
        for interval in delivery.coverage:
            key = interval.camera_id, interval.epoch, to_datetime(interval.from_ns)
            to_at = to_datetime(interval.to_ns)
            longest[key] = max(to_at, longest.get(key, to_at))
    _run(
        connection,
        statements.COVERAGE,
        ("camera_id", "epoch", "from_at", "to_at"),
        ((*key, to_at) for key, to_at in sorted(longest.items())),
    )


def _store_events(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    events = {event.event_id: event for delivery in deliveries for event in delivery.events}
    _run(
        connection,
        statements.EVENTS,
        ("timestamp", "event_id", "camera_id", "event_type", "data"),
        (
            (to_datetime(e.occurred_ns), e.event_id, e.camera_id, e.event_type, dump(e.data).decode())
            for _, e in sorted(events.items())
        ),
    )
    newest = {e.camera_id: e for e in sorted(events.values(), key=lambda e: e.occurred_ns) if e.event_type in STATUSES}
    _run(
        connection,
        statements.STATUS,
        ("camera_id", "status", "at"),
        ((camera_id, e.event_type, to_datetime(e.occurred_ns)) for camera_id, e in sorted(newest.items())),
    )


def _run(connection: Connection, statement: Any, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Run a statement over arrays, a column each; nothing happens without rows."""
    arrays = [list(column) for column in zip(*rows, strict=True)]
    if not arrays:
        return []
    result = connection.execute(statement, dict(zip(columns, arrays, strict=True)))
    return list(result) if result.returns_rows else []
