"""What questions may ask: names, and a span of time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
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


def check_order(start: datetime | None, end: datetime | None) -> None:
    """Refuse a span that ends before it starts; an end left open fits any start.

    Raises:
        BadInput: names both.
    """
    if start is not None and end is not None and start >= end:
        raise BadInput(
            f"'from' ({start.isoformat()}) is not before 'to' ({end.isoformat()}): give an earlier 'from' or a later "
            "'to'"
        )


def make_span(start: datetime | None, end: datetime | None, *, now_ns: int, default_ns: int) -> Span:
    """The span asked for: up to now, and ``default_ns`` long, where nothing else is said.

    Raises:
        BadInput: it ends before it starts.
    """
    end_ns = now_ns if end is None else to_ns(end)
    from_ns = max(0, end_ns - default_ns) if start is None else to_ns(start)
    check_order(to_datetime(from_ns), to_datetime(end_ns))
    return Span(from_ns=from_ns, to_ns=end_ns)


def last_hour(
    start: Annotated[Moment | None, Query(alias="from", description="Start; an hour before 'to' if left out.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="End, not included; now if left out.")] = None,
) -> Span:
    """``from`` and ``to`` of a request, the last hour by default."""
    return make_span(start, end, now_ns=time.time_ns(), default_ns=HOUR_NS)


LastHour = Annotated[Span, Depends(last_hour)]
