"""What questions may ask: names, a span of time, and where the next page begins."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, AwareDatetime

from schema.errors import BadInput
from schema.times import to_datetime, to_ns
from serve_app.api.shapes import CameraName, RuleName

HOUR_NS = 3600 * 10**9
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _storable(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("times run from 1970 to 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_storable)]
"""ISO 8601 with an offset, like ``2026-11-23T09:00:00Z``."""

CameraPath = Annotated[CameraName, Path(description="The camera's name.")]
RulePath = Annotated[RuleName, Path(description="The name of the line or zone.")]
CameraFilter = Annotated[CameraName | None, Query(description="Only this camera.")]
RuleFilter = Annotated[RuleName | None, Query(description="Only the line or zone of this name.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A half-open span of time: ``from_ns`` belongs to it, ``to_ns`` does not."""

    from_ns: int
    to_ns: int


def make_span(start: datetime | None, end: datetime | None, *, now_ns: int, default_ns: int) -> Span:
    """The span asked for: up to now, and ``default_ns`` long, where nothing else is said.

    Raises:
        BadInput: it ends before it starts.
    """
    to_ns_ = now_ns if end is None else to_ns(end)
    from_ns = max(0, to_ns_ - default_ns) if start is None else to_ns(start)
    if from_ns >= to_ns_:
        raise BadInput(
            f"'from' ({to_datetime(from_ns).isoformat()}) is not before 'to' ({to_datetime(to_ns_).isoformat()}): "
            "give an earlier 'from' or a later 'to'"
        )
    return Span(from_ns=from_ns, to_ns=to_ns_)


def last_hour(
    start: Annotated[Moment | None, Query(alias="from", description="Start; an hour before 'to' if left out.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="End, not included; now if left out.")] = None,
) -> Span:
    """``from`` and ``to`` of a request, the last hour by default."""
    return make_span(start, end, now_ns=time.time_ns(), default_ns=HOUR_NS)


LastHour = Annotated[Span, Depends(last_hour)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a page ended: the last row's time in microseconds since 1970, and its number."""

    occurred_us: int
    id: int


def write_cursor(place: Place, question: Sequence[object]) -> str:
    """An opaque text that continues exactly this question."""
    values = [place.occurred_us, place.id, _digest(question)]
    return urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(cursor: str, question: Sequence[object]) -> Place:
    """What ``write_cursor`` wrote.

    Raises:
        BadInput: the text is something else, or continues another question.
    """
    try:
        values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        occurred_us, number, digest = values
        place = Place(occurred_us=int(occurred_us), id=int(number))
    except (ValueError, TypeError):
        raise BadInput("the cursor is not one of ours: take 'next' of the page before, or leave it out") from None
    if digest != _digest(question):
        raise BadInput("the cursor belongs to another question: keep the other parameters as they were")
    return place


def _digest(question: Sequence[object]) -> str:
    return blake2b(repr(tuple(question)).encode(), digest_size=6).hexdigest()
