"""The fence: what a store may take from whoever claims to hold a camera. Pure; every store uses it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from actors.counting.buckets import buckets
from schema.events import Crossing, Delivery
from schema.leases import Lease


@dataclass(frozen=True, kw_only=True, slots=True)
class Admitted:
    """What may be stored, in the order given, and the cameras whose deliverers no longer hold them.

    ``late_ids`` are the crossings among it that came under an older lease.
    """

    deliveries: tuple[Delivery, ...]
    refused_camera_ids: tuple[int, ...]
    late_ids: frozenset[UUID]


def admit(deliveries: Sequence[Delivery], leases: Mapping[int, Lease], rules: Mapping[int, int]) -> Admitted:
    """Judge deliveries by the leases in force.

    Under the current lease everything is taken. Under an older one, a live delivery keeps the crossings that occurred
    before the current lease was granted (the rightful holder saw them) and nothing else; a file delivery is refused
    whole, because the new holder finds the same crossings again. Refused whole is also what no lease covers, and what
    counts by a rule that its camera never had.

    Args:
        deliveries: any cameras, any order.
        leases: the lease in force by camera id; cameras without one are unknown.
        rules: the camera's id by rule id.
    """
    admitted: list[Delivery] = []
    refused: set[int] = set()
    late: set[UUID] = set()
    for delivery in deliveries:
        lease = leases.get(delivery.camera_id)
        if lease is None or delivery.lease_epoch > lease.epoch or not _knows_rules(delivery, rules):
            refused.add(delivery.camera_id)
        elif delivery.lease_epoch == lease.epoch:
            admitted.append(delivery)
        else:
            refused.add(delivery.camera_id)
            for kept in _seen_in_time(delivery, lease):
                admitted.append(kept)
                late.update(crossing.event_id for crossing in kept.crossings)
    return Admitted(deliveries=tuple(admitted), refused_camera_ids=tuple(sorted(refused)), late_ids=frozenset(late))


def made_good(new: Iterable[Crossing], late_ids: Collection[UUID]) -> dict[int, int]:
    """What to add to a zone's occupancy, by rule id, so that late crossings do not move it.

    A new lease on a live camera starts its zones from nobody inside, because whoever takes over sees everybody inside
    anew. People that the former holder saw come or go before that are counted, but are inside no more.
    """
    late = [crossing for crossing in new if crossing.kind == "zone" and crossing.event_id in late_ids]
    changes: dict[int, int] = {}
    for bucket in buckets(late):
        changes[bucket.rule_id] = changes.get(bucket.rule_id, 0) - bucket.totals.occupancy_change
    return changes


def _knows_rules(delivery: Delivery, rules: Mapping[int, int]) -> bool:
    return all(
        rules.get(crossing.rule_id) == delivery.camera_id == crossing.camera_id for crossing in delivery.crossings
    )


def _seen_in_time(delivery: Delivery, lease: Lease) -> Iterable[Delivery]:
    crossings = tuple(crossing for crossing in delivery.crossings if crossing.occurred_ns < lease.granted_ns)
    if not delivery.is_file and crossings:
        yield replace(delivery, crossings=crossings, coverage=(), events=(), checkpoint=None)
