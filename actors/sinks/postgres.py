"""The truth in PostgreSQL: one transaction a commit, safe to repeat."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from actors.counting.buckets import buckets
from actors.sinks import incoming, rows, statements
from actors.sinks.fence import Admitted, admit, made_good
from schema.database import open_engine, scope, unavailable_as_retryable
from schema.errors import Permanent
from schema.events import Committed, Crossing, Delivery, RuleTotals, Totals
from schema.leases import Lease
from schema.partitions import Partitioned, ensure_partitions, period_of
from schema.times import DAY_NS, to_ns


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
        self._engine = open_engine(dsn, pool_size=pool_size, reads=False)
        # Both only ever say what can no longer change: which times have a partition, whose a rule is.
        self._periods: dict[Partitioned, set[datetime]] = defaultdict(set)
        self._rules: dict[int, int] = {}

    def commit(self, deliveries: Sequence[Delivery]) -> Committed:
        """Store deliveries as ``schema.ports.Store`` says.

        Raises:
            StoreUnavailable: nothing was stored; committing the same again is safe.
            Permanent: nothing was stored, because one of the deliveries holds impossible values.
        """
        tenants = {delivery.tenant_id for delivery in deliveries}
        if not tenants:
            return Committed()
        (tenant_id,) = tenants
        try:
            with unavailable_as_retryable(self._engine):
                self._ensure_partitions(deliveries)
                with self._engine.begin() as connection:
                    scope(connection, tenant_id)
                    return self._store(connection, deliveries)
        except (DataError, IntegrityError) as error:
            raise Permanent(f"PostgreSQL refuses a delivery: {error.orig}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _store(self, connection: Connection, deliveries: Sequence[Delivery]) -> Committed:
        admitted = self._admit(connection, deliveries)
        statements.STREAMS.run(connection, rows.streams(admitted.deliveries))
        crossings = _store_crossings(connection, admitted.deliveries)
        totals = _store_counts(connection, crossings, made_good(crossings, admitted.late_ids))
        statements.COVERAGE.run(connection, rows.coverage(admitted.deliveries))
        _store_events(connection, admitted.deliveries)
        return Committed(
            tenant_id=deliveries[0].tenant_id,
            crossings=tuple(crossings),
            totals=tuple(totals),
            refused_camera_ids=admitted.refused_camera_ids,
        )

    def _ensure_partitions(self, deliveries: Sequence[Delivery]) -> None:
        crossings = [crossing for delivery in deliveries for crossing in delivery.crossings]
        occurred = {crossing.occurred_ns // DAY_NS for crossing in crossings}
        undone = {crossing.undoes_ns // DAY_NS for crossing in crossings if crossing.undoes_ns is not None}
        happened = {event.occurred_ns // DAY_NS for delivery in deliveries for event in delivery.events}
        touched: tuple[tuple[Partitioned, set[int]], ...] = (
            ("crossings", occurred),
            ("counting_results", occurred | undone),
            ("analytics_day", occurred | undone),
            ("camera_events", happened),
        )
        for table, days in touched:
            missing = {period_of(table, day * DAY_NS) for day in days} - self._periods[table]
            if missing:
                self._periods[table] |= ensure_partitions(self._engine, table, missing)

    def _admit(self, connection: Connection, deliveries: Sequence[Delivery]) -> Admitted:
        camera_ids = sorted({delivery.camera_id for delivery in deliveries})
        held = connection.execute(statements.LOCK_LEASES, {"camera_ids": camera_ids})
        leases = {
            row.camera_id: Lease(
                camera_id=row.camera_id,
                holder=row.holder,
                epoch=row.epoch,
                granted_ns=to_ns(row.granted_at),
                expires_ns=to_ns(row.expires_at),
            )
            for row in held
        }
        unknown = {c.rule_id for delivery in deliveries for c in delivery.crossings} - self._rules.keys()
        if unknown:
            found = connection.execute(statements.RULES, {"rule_ids": sorted(unknown)})
            self._rules.update((row.id, row.camera_id) for row in found)
        return admit(deliveries, leases, self._rules)


def _store_crossings(connection: Connection, deliveries: Sequence[Delivery]) -> list[Crossing]:
    """Insert what is new, with its messages; returns it in order of occurrence."""
    given = {crossing.event_id: crossing for delivery in deliveries for crossing in delivery.crossings}
    if not given:
        return []
    incoming.copy_in(connection, given.values())
    some = connection.execute(statements.CROSSINGS, {"given": len(given)}).scalar_one()
    new = given.values() if some is None else [given[event_id] for event_id in some]
    fresh = sorted(new, key=attrgetter("occurred_ns"))
    if fresh:
        connection.execute(statements.OUTBOX, rows.told(fresh))
    return fresh


def _store_counts(
    connection: Connection, crossings: Sequence[Crossing], occupancy_base: Mapping[int, int]
) -> list[RuleTotals]:
    """Add new crossings to their minutes and to the totals; returns the totals that changed."""
    minutes = buckets(crossings)
    statements.BUCKETS.run(connection, rows.minutes(minutes))
    statements.DAYS.run(connection, rows.days(minutes))
    changed = statements.TOTALS.run(connection, rows.totals(minutes, occupancy_base))
    rules = {crossing.rule_id: crossing for crossing in crossings}
    return [
        RuleTotals(
            camera_id=rules[row.zone_id].camera_id,
            rule_id=row.zone_id,
            rule=rules[row.zone_id].rule,
            revision=row.revision,
            totals=Totals(**dict(zip(rows.SUMS, row[3:], strict=True))),
            occupancy_base=row.occupancy_base,
        )
        for row in changed
    ]


def _store_events(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    events = [event for delivery in deliveries for event in delivery.events]
    statements.EVENTS.run(connection, rows.events(events))
    statements.STATUS.run(connection, rows.statuses(events))
