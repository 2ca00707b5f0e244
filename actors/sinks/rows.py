"""Deliveries as rows of the tables, in the columns' order of ``statements`` and sorted by key. Pure.

All writers sort alike, so they lock rows in the same order and never wait for each other in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schema.events import Bucket, CameraEvent, Crossing, Delivery, Totals
from schema.tables.cameras import STATUSES
from schema.times import to_datetime
from schema.wire import crossing_event, dump

Row = tuple[Any, ...]

SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost", "dwell_s")
"""The columns of a ``Totals``."""


def streams(deliveries: Iterable[Delivery]) -> list[Row]:
    """One row a stream, with the furthest checkpoint of all its deliveries."""
    rows: dict[tuple[int, str], Row] = {}
    for delivery in deliveries:
        if not delivery.epoch:  # news of a camera that could not be opened: there is no stream
            continue
        key = delivery.camera_id, delivery.epoch
        checkpoint = delivery.checkpoint
        begin = (*key, to_datetime(delivery.started_ns), delivery.is_file)
        rows.setdefault(key, (*begin, 0, None, False))
        if checkpoint and checkpoint.seq >= rows[key][4]:
            rows[key] = (*begin, checkpoint.seq, checkpoint.state, checkpoint.finished)
    return [rows[key] for key in sorted(rows)]


def crossings(given: Iterable[Crossing]) -> list[Row]:
    """One row a crossing."""
    return [
        (
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
        for crossing in sorted(given, key=lambda crossing: crossing.event_id)
    ]


def messages(given: Iterable[Crossing]) -> str:
    """The outbox's rows as one JSON text, in the order given."""
    return dump(
        [
            {
                "event_id": str(crossing.event_id),
                "routing_key": f"crossing.{crossing.camera_id}.{crossing.rule_id}",
                "body": crossing_event(crossing),
            }
            for crossing in given
        ]
    ).decode()


def minutes(buckets: Iterable[Bucket]) -> list[Row]:
    """One row a bucket."""
    return sorted(
        (bucket.camera_id, bucket.rule_id, to_datetime(bucket.minute_ns), *_sums(bucket.totals)) for bucket in buckets
    )


def totals(buckets: Iterable[Bucket], occupancy_base: Mapping[int, int]) -> list[Row]:
    """One row a rule: what its buckets add, as its first revision, and what is added to its occupancy besides."""
    sums: dict[int, Totals] = {}
    for bucket in buckets:
        sums[bucket.rule_id] = sums.get(bucket.rule_id, Totals()) + bucket.totals
    return [(rule_id, 1, occupancy_base.get(rule_id, 0), *_sums(sums[rule_id])) for rule_id in sorted(sums)]


def coverage(deliveries: Iterable[Delivery]) -> list[Row]:
    """One row an interval, as long as the longest report of it."""
    longest: dict[tuple[int, str, datetime], datetime] = {}
    for delivery in deliveries:
        for interval in delivery.coverage:
            key = interval.camera_id, interval.epoch, to_datetime(interval.from_ns)
            to_at = to_datetime(interval.to_ns)
            longest[key] = max(to_at, longest.get(key, to_at))
    return [(*key, longest[key]) for key in sorted(longest)]


def events(given: Iterable[CameraEvent]) -> list[Row]:
    """One row a camera event."""
    unique = {event.event_id: event for event in given}
    return [
        (
            to_datetime(event.occurred_ns),
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
    return [
        (camera_id, newest[camera_id].event_type, to_datetime(newest[camera_id].occurred_ns))
        for camera_id in sorted(newest)
    ]


def _sums(sums: Totals) -> tuple[float, ...]:
    return tuple(getattr(sums, name) for name in SUMS)
