"""How values travel and rest outside a process: JSON, written out by hand, with no code in it.

``pack``/``unpack`` is our own exact form (times in ns), for journals and the live channel. ``crossing_event`` is the
form for strangers (ISO 8601), the same on every transport.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from schema.errors import Permanent
from schema.events import CameraEvent, Checkpoint, Coverage, Crossing, Delivery, RuleTotals, Totals
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_text


def pack_delivery(delivery: Delivery) -> bytes:
    """The delivery as JSON, exactly."""
    values = {
        "camera_id": delivery.camera_id,
        "lease_epoch": delivery.lease_epoch,
        "epoch": delivery.epoch,
        "started_ns": delivery.started_ns,
        "is_file": delivery.is_file,
        "crossings": [pack_crossing(crossing) for crossing in delivery.crossings],
        "coverage": [asdict(interval) for interval in delivery.coverage],
        "events": [{**asdict(event), "event_id": str(event.event_id)} for event in delivery.events],
        "tenant_id": delivery.tenant_id,
        "checkpoint": delivery.checkpoint and _pack_checkpoint(delivery.checkpoint),
    }
    return dump(values)


def unpack_delivery(data: bytes) -> Delivery:
    """What ``pack_delivery`` packed.

    Raises:
        Permanent: the bytes are something else.
    """
    try:
        values = json.loads(data)
        return Delivery(
            camera_id=values["camera_id"],
            lease_epoch=values["lease_epoch"],
            epoch=values["epoch"],
            started_ns=values["started_ns"],
            is_file=values["is_file"],
            crossings=tuple(unpack_crossing(crossing) for crossing in values["crossings"]),
            coverage=tuple(Coverage(**interval) for interval in values["coverage"]),
            events=tuple(_unpack_event(event) for event in values["events"]),
            checkpoint=values["checkpoint"] and _unpack_checkpoint(values["checkpoint"]),
            tenant_id=values.get("tenant_id", DEFAULT_TENANT_ID),  # a journal of 0.1 knows one tenant only
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Permanent(f"a packed delivery cannot be read: {error}") from error


def pack_crossing(crossing: Crossing) -> dict[str, Any]:
    """The crossing's fields, ids as text."""
    undoes = crossing.undoes and str(crossing.undoes)
    return {**asdict(crossing), "event_id": str(crossing.event_id), "undoes": undoes}


def unpack_crossing(values: Mapping[str, Any]) -> Crossing:
    """What ``pack_crossing`` packed."""
    undoes = values["undoes"] and UUID(values["undoes"])
    fields: dict[str, Any] = {**values, "event_id": UUID(values["event_id"]), "undoes": undoes}
    return Crossing(**fields)


def pack_totals(totals: RuleTotals) -> dict[str, Any]:
    """The totals' fields."""
    return asdict(totals)


def unpack_totals(values: Mapping[str, Any]) -> RuleTotals:
    """What ``pack_totals`` packed."""
    fields: dict[str, Any] = {**values, "totals": Totals(**values["totals"])}
    return RuleTotals(**fields)


def crossing_event(crossing: Crossing) -> dict[str, Any]:
    """A crossing for other systems. It says when things happened; when it was sent is the transport's to say."""
    return {
        "type": "crossing",
        "event_id": str(crossing.event_id),
        "occurred_at": to_text(crossing.occurred_ns),
        "confirmed_at": to_text(crossing.confirmed_ns),
        "camera_id": crossing.camera_id,
        "stream": crossing.epoch,
        "track_id": crossing.track_id,
        "kind": crossing.kind,
        "rule": crossing.rule,
        "rule_id": crossing.rule_id,
        "direction": crossing.direction,
        "cause": crossing.cause,
        "frame": crossing.frame,
        "confidence": round(crossing.confidence, 4),
        "x": round(crossing.x, 5),
        "y": round(crossing.y, 5),
        "undoes": crossing.undoes and str(crossing.undoes),
        "dwell_s": crossing.dwell_s,
        "model": crossing.model,
    }


def dump(values: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Compact JSON; refuses NaN and infinity, which JSON does not have."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()


def _unpack_event(values: Mapping[str, Any]) -> CameraEvent:
    fields: dict[str, Any] = {**values, "event_id": UUID(values["event_id"])}
    return CameraEvent(**fields)


def _pack_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    return {**asdict(checkpoint), "state": b64encode(checkpoint.state).decode()}


def _unpack_checkpoint(values: Mapping[str, Any]) -> Checkpoint:
    fields: dict[str, Any] = {**values, "state": b64decode(values["state"])}
    return Checkpoint(**fields)
