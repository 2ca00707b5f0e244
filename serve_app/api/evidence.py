"""Pictures of crossings: what a count looked like."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from schema.evidence import JPEG
from schema.queries import evidence
from schema.queries.evidence import ShownEvidence
from schema.times import to_datetime
from serve_app.api import V1
from serve_app.api.backend import OpenBackend

SIGNED_S = 300

router = APIRouter(prefix=f"{V1}/crossings/{{event_id}}/evidence", tags=["crossings"])


class PointAnswer(BaseModel):
    """Where the person's feet were, and how many milliseconds after the crossing (below zero: before it)."""

    after_ms: int
    x: float
    y: float


class EvidenceAnswer(BaseModel):
    """The picture of a crossing, and how the person came there.

    ``rule_id`` is the version of the line or zone that counted. ``box`` is left, top, right, bottom of the person at
    ``seen_at``, when the picture was taken; the picture shows a little more than it. ``image`` is the picture's place
    in this API; ``url`` leads to it directly for some minutes, where the storage can do that.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "event_id": "3f6d1b0a-5d0c-5e9a-8f57-2f4b1d0c7a11",
                "occurred_at": "2026-11-23T09:00:12.480000Z",
                "camera_id": 1,
                "rule": "door",
                "rule_id": 3,
                "rule_version": 2,
                "model": "yolo11n",
                "seen_at": "2026-11-23T09:00:12.760000Z",
                "box": [0.46, 0.41, 0.54, 0.73],
                "trajectory": [{"after_ms": -1240, "x": 0.42, "y": 0.74}, {"after_ms": 280, "x": 0.5, "y": 0.73}],
                "mime_type": "image/jpeg",
                "size": 7312,
                "image": "/api/v1/crossings/3f6d1b0a-5d0c-5e9a-8f57-2f4b1d0c7a11/evidence/image",
                "url": None,
            }
        }
    )

    event_id: UUID
    occurred_at: datetime
    camera_id: int
    rule: str
    rule_id: int
    rule_version: int
    model: str
    seen_at: datetime
    box: tuple[float, float, float, float]
    trajectory: list[PointAnswer]
    mime_type: str
    size: int
    image: str
    url: str | None

    @classmethod
    def of(cls, shown: ShownEvidence, *, url: str | None) -> "EvidenceAnswer":
        """From the value."""
        return cls(
            event_id=shown.event_id,
            occurred_at=to_datetime(shown.occurred_ns),
            camera_id=shown.camera_id,
            rule=shown.rule,
            rule_id=shown.rule_id,
            rule_version=shown.rule_version,
            model=shown.model,
            seen_at=to_datetime(shown.seen_ns),
            box=shown.box,
            trajectory=[PointAnswer(after_ms=at.after_ms, x=at.x, y=at.y) for at in shown.trajectory],
            mime_type=shown.mime_type,
            size=shown.size,
            image=f"{V1}/crossings/{shown.event_id}/evidence/image",
            url=url,
        )


@router.get("", summary="What a crossing looked like")
def get_evidence(backend: OpenBackend, event_id: UUID) -> EvidenceAnswer:
    """The picture's data; a crossing has none before it is stored, and when the time to keep it is over."""
    with backend.transaction() as session:
        shown = evidence.of_crossing(session, event_id)
    return EvidenceAnswer.of(shown, url=backend.files.url(shown.path, expires_s=SIGNED_S))


@router.get(
    "/image", summary="The picture of a crossing", response_class=Response, responses={200: {"content": {JPEG: {}}}}
)
def get_image(backend: OpenBackend, event_id: UUID) -> Response:
    """The picture itself, checked against its checksum; it is small, so it is sent as a whole."""
    with backend.transaction() as session:
        shown = evidence.of_crossing(session, event_id)
    image = b"".join(backend.files.read(shown.path, sha256=shown.sha256))
    headers = {"cache-control": f"private, max-age={SIGNED_S}", "x-content-type-options": "nosniff"}
    return Response(image, media_type=shown.mime_type, headers=headers)
