"""Single crossings: every count can be traced to them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from schema.events import Cause, Crossing, Direction
from schema.queries import crossings
from schema.queries.crossings import Order
from schema.times import to_ns
from schema.wire import crossing_event
from serve_app.api import V1
from serve_app.api.backend import OpenBackend
from serve_app.api.inputs import CameraFilter, Moment, RuleFilter, check_order
from serve_app.api.lookup import find_camera

router = APIRouter(prefix=f"{V1}/crossings", tags=["crossings"])


class CrossingAnswer(BaseModel):
    """One person over one line or zone border, one way: the same body as on the WebSocket and in RabbitMQ.

    ``rule_id`` is the version of the line or zone that counted it. ``undoes`` names the crossing that this one takes
    back (the person turned round): effective counts leave out both.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "crossing",
                "event_id": "3f6d1b0a-5d0c-5e9a-8f57-2f4b1d0c7a11",
                "occurred_at": "2026-11-23T09:00:12.480000Z",
                "confirmed_at": "2026-11-23T09:00:12.760000Z",
                "camera_id": 1,
                "stream": "4b7c0e",
                "track_id": 17,
                "kind": "line",
                "rule": "door",
                "rule_id": 3,
                "direction": "in",
                "cause": "crossed",
                "frame": 312,
                "confidence": 0.87,
                "x": 0.501,
                "y": 0.734,
                "undoes": None,
                "dwell_s": None,
                "model": "yolo11n",
            }
        }
    )

    type: Literal["crossing"]
    event_id: UUID
    occurred_at: datetime
    confirmed_at: datetime
    camera_id: int
    stream: str
    track_id: int
    kind: Literal["line", "zone"]
    rule: str
    rule_id: int
    direction: Direction
    cause: Cause
    frame: int
    confidence: float
    x: float
    y: float
    undoes: UUID | None
    dwell_s: float | None
    model: str

    @classmethod
    def of(cls, crossing: Crossing) -> "CrossingAnswer":
        """From the value."""
        event: dict[str, Any] = crossing_event(crossing)
        return cls.model_validate(event)


class CrossingsPage(BaseModel):
    """Some crossings; ``next`` is the cursor of the page after, null on the last."""

    crossings: list[CrossingAnswer]
    next: str | None


@router.get("", summary="Crossings, page by page")
def get_crossings(
    backend: OpenBackend,
    camera: CameraFilter = None,
    zone: RuleFilter = None,
    direction: Annotated[Direction | None, Query(description="Only this way.")] = None,
    start: Annotated[Moment | None, Query(alias="from", description="Not before.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Before.")] = None,
    order: Annotated[Order, Query(description="Which come first.")] = "newest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=200, description="'next' of the page before.")] = None,
) -> CrossingsPage:
    """Crossings in order of time. Pages neither repeat nor skip what was there when paging began."""
    check_order(start, end)
    with backend.reading(None if end is None else to_ns(end)) as session:
        page = crossings.page(
            session,
            from_ns=None if start is None else to_ns(start),
            to_ns=None if end is None else to_ns(end),
            camera_id=None if camera is None else find_camera(session, camera).id,
            rule=zone,
            direction=direction,
            order=order,
            cursor=cursor,
            limit=limit,
        )
    return CrossingsPage(crossings=[CrossingAnswer.of(crossing) for crossing in page.crossings], next=page.next_cursor)
