"""Deliveries as rows of the tables, in the columns' order of ``statements`` and sorted by key. Pure.

All writers sort alike, so they lock rows in the same order and never wait for each other in a circle.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from actors.sinks import arrays
from schema.events import Bucket, CameraEvent, Crossing, Delivery, Totals
from schema.tables.cameras import STATUSES
from schema.times import DAY_NS, to_datetime
from schema.wire import dump

Row = tuple[Any, ...]

TOLD_AT_ONCE = 500
"""Crossings in one row of the outbox."""

SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost", "dwell_s")
"""The columns of a ``Totals``."""
_sums: Callable[[Totals], tuple[float, ...]] = attrgetter(*SUMS)


def streams(deliveries: Iterable[Delivery]) -> list[Row]:
    """One row a stream, with the furthest checkpoint of all its deliveries."""
    rows: dict[tuple[int, str], Row] = {}
    for delivery in deliveries:
        if not delivery.epoch:  # news of a camera that could not be opened: there is no stream
            continue
        key = delivery.camera_id, delivery.epoch
        checkpoint = delivery.checkpoint
        begin = (*key, delivery.started_ns, delivery.is_file)
        rows.setdefault(key, (*begin, 0, None, False))
        if checkpoint and checkpoint.seq >= rows[key][4]:
            rows[key] = (*begin, checkpoint.seq, checkpoint.state, checkpoint.finished)
    return [rows[key] for key in sorted(rows)]


def minutes(buckets: Iterable[Bucket]) -> list[Row]:
    """One row a bucket."""
    return sorted((bucket.camera_id, bucket.rule_id, bucket.minute_ns, *_sums(bucket.totals)) for bucket in buckets)


def days(buckets: Iterable[Bucket]) -> list[Row]:
    """One row a rule and UTC day: what its buckets add, as its first revision."""
    sums: dict[tuple[int, int, int], Totals] = {}
    for bucket in buckets:
        key = bucket.minute_ns // DAY_NS * DAY_NS, bucket.camera_id, bucket.rule_id
        sums[key] = sums[key] + bucket.totals if key in sums else bucket.totals
    return [("day", *key, 1, *_sums(sums[key])) for key in sorted(sums)]


def told(new: Sequence[Crossing]) -> list[dict[str, Any]]:
    """The outbox's rows: crossings, which come in order of time, a few hundred a row."""
    parts = (new[start : start + TOLD_AT_ONCE] for start in range(0, len(new), TOLD_AT_ONCE))
    return [
        {
            "event_ids": arrays.ids(crossing.event_id for crossing in part),
            "first_at": to_datetime(part[0].occurred_ns),
            "last_at": to_datetime(part[-1].occurred_ns),
        }
        for part in parts
    ]


def totals(buckets: Iterable[Bucket], occupancy_base: Mapping[int, int]) -> list[Row]:
    """One row a rule: what its buckets add, as its first revision, and what is added to its occupancy besides."""
    sums: dict[int, Totals] = {}
    for bucket in buckets:
        known = sums.get(bucket.rule_id)
        sums[bucket.rule_id] = bucket.totals if known is None else known + bucket.totals
    return [(rule_id, 1, occupancy_base.get(rule_id, 0), *_sums(sums[rule_id])) for rule_id in sorted(sums)]


def coverage(deliveries: Iterable[Delivery]) -> list[Row]:
    """One row an interval, as long as the longest report of it."""
    longest: dict[tuple[int, str, int], int] = {}
    for delivery in deliveries:
        for interval in delivery.coverage:
            key = interval.camera_id, interval.epoch, interval.from_ns
            to_at = interval.to_ns
            longest[key] = max(to_at, longest.get(key, to_at))
    return [(*key, longest[key]) for key in sorted(longest)]


def events(given: Iterable[CameraEvent]) -> list[Row]:
    """One row a camera event."""
    unique = {event.event_id: event for event in given}
    return [
        (
            event.occurred_ns,
            event.event_id,
            event.camera_id,
            event.event_type,
            dump(event.data).decode(),
        )
        for _, event in sorted(unique.items())
    ]


def statuses(given: Sequence[CameraEvent]) -> list[Row]:
    """One row a camera: the newest of its events that is a status."""
    telling = [event for event in given if event.event_type in STATUSES]
    newest = {event.camera_id: event for event in sorted(telling, key=lambda event: event.occurred_ns)}
    return [(camera_id, newest[camera_id].event_type, newest[camera_id].occurred_ns) for camera_id in sorted(newest)]
