"""Crossings of one video as lines of JSON, one a crossing."""

import json
from collections.abc import Iterable
from typing import TextIO

from schema.events import Crossing

_SECOND_NS = 1_000_000_000


def event_line(crossing: Crossing, started_ns: int) -> str:
    """One crossing as JSON: ``frame`` from 1, ``time_s`` since ``started_ns``, who, which way, how sure, and where.

    The rule's name is under ``line`` or under ``zone``; ``dwell_s`` is there on the way out of a zone.
    """
    event: dict[str, object] = {
        "frame": crossing.frame,
        "time_s": round((crossing.occurred_ns - started_ns) / _SECOND_NS, 3),
        "track_id": crossing.track_id,
        crossing.kind: crossing.rule,
        "direction": crossing.direction,
        "confidence": round(crossing.confidence, 4),
        "x": round(crossing.x, 4),
        "y": round(crossing.y, 4),
    }
    if crossing.dwell_s is not None:
        event["dwell_s"] = round(crossing.dwell_s, 3)
    return json.dumps(event)


def write_events(file: TextIO, crossings: Iterable[Crossing], started_ns: int) -> None:
    """Append the crossings; people who only appeared in a zone, or were lost in it, crossed nothing."""
    for crossing in crossings:
        if crossing.cause == "crossed":
            file.write(event_line(crossing, started_ns) + "\n")
