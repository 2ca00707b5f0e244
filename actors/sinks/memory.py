"""A store and a sink in memory: what the others must do, in its plainest form."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from actors.counting.buckets import buckets
from actors.sinks.fence import admit, made_good
from schema.events import CameraEvent, Checkpoint, Committed, Coverage, Crossing, Delivery, RuleTotals, Totals
from schema.leases import Lease


class MemoryStore:
    """Keeps everything, for as long as it lives. One caller at a time."""

    def __init__(self) -> None:
        self.crossings: dict[UUID, Crossing] = {}
        self.events: dict[UUID, CameraEvent] = {}
        self.buckets: dict[tuple[int, int], Totals] = {}
        """By rule id and start of the minute, ns."""
        self.totals: dict[int, RuleTotals] = {}
        self.coverage: dict[tuple[int, str, int], Coverage] = {}
        self.checkpoints: dict[tuple[int, str], Checkpoint] = {}
        self._leases: dict[int, Lease] = {}
        self._rules: dict[int, int] = {}

    def grant(self, camera_id: int, *, epoch: int, granted_ns: int = 0) -> None:
        """Put a lease in force."""
        self._leases[camera_id] = Lease(
            camera_id=camera_id, holder="", epoch=epoch, granted_ns=granted_ns, expires_ns=granted_ns
        )

    def add_rule(self, rule_id: int, *, camera_id: int) -> None:
        """Make a line or zone of a camera known."""
        self._rules[rule_id] = camera_id

    def commit(self, deliveries: Sequence[Delivery]) -> Committed:
        """Store deliveries as ``schema.ports.Store`` says."""
        admitted = admit(deliveries, self._leases, self._rules)
        new: dict[UUID, Crossing] = {}
        for delivery in admitted.deliveries:
            for crossing in delivery.crossings:
                if crossing.event_id not in self.crossings:
                    new.setdefault(crossing.event_id, crossing)
            for event in delivery.events:
                self.events.setdefault(event.event_id, event)
            self._cover(delivery.coverage)
            self._check(delivery)
        self.crossings |= new
        return Committed(
            crossings=tuple(new.values()),
            totals=self._count(list(new.values()), made_good(new.values(), admitted.late_ids)),
            refused_camera_ids=admitted.refused_camera_ids,
        )

    def _count(self, crossings: Sequence[Crossing], occupancy_base: Mapping[int, int]) -> tuple[RuleTotals, ...]:
        names = {crossing.rule_id: crossing.rule for crossing in crossings}
        changed: dict[int, RuleTotals] = {}
        for bucket in buckets(crossings):
            key = bucket.rule_id, bucket.minute_ns
            self.buckets[key] = self.buckets.get(key, Totals()) + bucket.totals
            before = self.totals.get(bucket.rule_id) or RuleTotals(
                camera_id=bucket.camera_id,
                rule_id=bucket.rule_id,
                rule=names[bucket.rule_id],
                revision=0,
                totals=Totals(),
            )
            if bucket.rule_id not in changed:
                base = before.occupancy_base + occupancy_base.get(bucket.rule_id, 0)
                before = replace(before, revision=before.revision + 1, occupancy_base=base)
            changed[bucket.rule_id] = replace(before, totals=before.totals + bucket.totals)
            self.totals[bucket.rule_id] = changed[bucket.rule_id]
        return tuple(changed.values())

    def _cover(self, intervals: Sequence[Coverage]) -> None:
        for interval in intervals:
            key = interval.camera_id, interval.epoch, interval.from_ns
            known = self.coverage.get(key)
            if known is None or known.to_ns < interval.to_ns:
                self.coverage[key] = interval

    def _check(self, delivery: Delivery) -> None:
        checkpoint = delivery.checkpoint
        if checkpoint is None:
            return
        known = self.checkpoints.get((delivery.camera_id, checkpoint.epoch))
        if known is None or known.seq <= checkpoint.seq:
            self.checkpoints[delivery.camera_id, checkpoint.epoch] = checkpoint


class MemorySink:
    """Keeps what was published, and the newest totals of each rule."""

    def __init__(self) -> None:
        self.published: list[Committed] = []
        self.totals: dict[int, RuleTotals] = {}

    def publish(self, committed: Committed) -> None:
        """Keep the news; totals that are older than those known are dropped."""
        self.published.append(committed)
        for totals in committed.totals:
            known = self.totals.get(totals.rule_id)
            if known is None or known.revision < totals.revision:
                self.totals[totals.rule_id] = totals
