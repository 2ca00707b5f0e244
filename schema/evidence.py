"""What a worker keeps of a crossing for people to look at."""

from dataclasses import dataclass, field
from uuid import UUID

JPEG = "image/jpeg"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrajectoryPoint:
    """Where a person's feet were, normalised to the camera's picture, ``after_ms`` after the crossing (or before)."""

    after_ms: int
    x: float
    y: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The picture of a crossing, as JPEG, and how the person came there.

    ``box`` (left, top, right, bottom, normalised to the camera's picture) is where the person was at ``seen_ns``,
    when the picture was taken. Camera, rule and model are those of the crossing, which is stored before this.
    """

    tenant_id: int
    event_id: UUID
    occurred_ns: int
    seen_ns: int
    box: tuple[float, float, float, float]
    trajectory: tuple[TrajectoryPoint, ...]
    jpeg: bytes = field(repr=False)
