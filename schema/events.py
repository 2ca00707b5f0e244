"""What flows through the system, as frozen values: frames, detections, tracks, crossings, deliveries.

Times are nanoseconds since 1970 UTC (``*_ns``). Boxes are normalised to the camera's picture, 0..1, x right, y down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from schema.picture import Picture
from schema.tenants import DEFAULT_TENANT_ID

Direction = Literal["in", "out"]
Cause = Literal["crossed", "appeared", "lost"]
"""Why a count changed: seen crossing the border; or, for zones only, first or last seen inside."""

_EVENTS = UUID("6f0c0a4e-53d4-4a4f-9a55-8d1d0c5e7f11")


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameId:
    """Names one frame of one stream epoch; ``seq`` counts from 1 and skipped frames keep their number."""

    camera_id: int
    epoch: str
    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One decoded frame, still in the codec's own colour space: it is scaled and converted only when asked.

    ``still`` says that the motion gate saw no change since the last frame that was detected on: the people are where
    they were, and looking again would find the same.
    """

    id: FrameId
    captured_ns: int
    picture: Picture
    still: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Detections:
    """People found in one frame.

    ``boxes`` is float32 (N, 4): left, top, right, bottom, normalised 0..1. ``scores`` is float32 (N,), 0..1.
    ``model`` is the name and version of the model that saw them.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    model: str = ""

    def __post_init__(self) -> None:
        """Refuse arrays of other shapes."""
        if self.boxes.shape != (len(self.scores), 4) or self.scores.ndim != 1:
            raise ValueError(f"boxes {self.boxes.shape} and scores {self.scores.shape} do not belong together")

    @classmethod
    def none(cls, model: str = "") -> "Detections":
        """Nobody in the frame."""
        return cls(boxes=np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32), model=model)


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What was seen in one frame, with the size of the picture in pixels (box heights need its aspect)."""

    frame: FrameId
    captured_ns: int
    width_px: int
    height_px: int
    detections: Detections


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One confirmed person at one moment; ``box`` is left, top, right, bottom, normalised."""

    track_id: int
    box: tuple[float, float, float, float]
    score: float
    seen_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """One person over one line or zone border, one way. Immutable; its id is the same however often it is found.

    ``occurred_ns`` is when the person changed side, ``confirmed_ns`` the frame that made it certain. ``frame`` is the
    1-based number of the frame in which the side changed; ``x``, ``y`` the person's anchor there. ``undoes`` names an
    earlier crossing of the same track that this one nets out (a U-turn): raw counts keep both, effective counts
    neither. ``dwell_s`` is set on the way out of a zone. ``ordinal`` counts a track's events at one rule, from 0.
    """

    event_id: UUID
    camera_id: int
    epoch: str
    track_id: int
    kind: Literal["line", "zone"]
    rule: str
    rule_id: int
    direction: Direction
    cause: Cause = "crossed"
    ordinal: int
    frame: int
    occurred_ns: int
    confirmed_ns: int
    confidence: float
    x: float
    y: float
    undoes: UUID | None = None
    undoes_ns: int | None = None
    dwell_s: float | None = None
    model: str = ""


def crossing_id(*, camera_id: int, epoch: str, track_id: int, rule: str, version: int, ordinal: int) -> UUID:
    """The deterministic id of a crossing (UUIDv5, RFC 9562)."""
    return uuid5(_EVENTS, f"{camera_id}/{epoch}/{track_id}/{rule}@{version}/{ordinal}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """Counts of one rule over some time: a minute (a bucket), or everything so far.

    ``appeared`` and ``lost`` are people first or last seen inside a zone: they move occupancy, not the counts.
    """

    count_in: int = 0
    count_out: int = 0
    effective_in: int = 0
    effective_out: int = 0
    appeared: int = 0
    lost: int = 0
    dwell_s: float = 0.0

    @property
    def occupancy_change(self) -> int:
        """A signed sum, never clamped."""
        return self.count_in - self.count_out + self.appeared - self.lost

    def __add__(self, other: "Totals") -> "Totals":
        """Sum field by field."""
        return Totals(
            count_in=self.count_in + other.count_in,
            count_out=self.count_out + other.count_out,
            effective_in=self.effective_in + other.effective_in,
            effective_out=self.effective_out + other.effective_out,
            appeared=self.appeared + other.appeared,
            lost=self.lost + other.lost,
            dwell_s=self.dwell_s + other.dwell_s,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """What one rule counted in the minute that starts at ``minute_ns``."""

    camera_id: int
    rule_id: int
    minute_ns: int
    totals: Totals


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleTotals:
    """Absolute totals of one rule since it was made; ``revision`` grows with every change, so older news is dropped.

    ``occupancy_base`` is what audited resets have added to the signed sum.
    """

    camera_id: int
    rule_id: int
    rule: str
    revision: int
    totals: Totals
    occupancy_base: int = 0

    @property
    def occupancy(self) -> int:
        """How many people are inside: a signed sum, never clamped."""
        return self.occupancy_base + self.totals.occupancy_change


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """An interval in which a camera really was watched, within one stream epoch."""

    camera_id: int
    epoch: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraEvent:
    """Something that happened to a camera: connected, lost, refused, ended, reset."""

    event_id: UUID
    camera_id: int
    event_type: str
    occurred_ns: int
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """How far a file has been counted: everything up to frame ``seq`` is in this delivery or an earlier one.

    ``state`` restores the counting session just after that frame; ``finished`` says that the file has ended.
    """

    epoch: str
    seq: int
    state: bytes
    finished: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What a worker hands over for one camera of one tenant, to be stored all or nothing.

    ``lease_epoch`` proves that the worker held the camera. ``started_ns`` is the capture time of the stream epoch's
    first frame. ``is_file`` tells recorded time from wall-clock time (the fence differs, see ``Store``).
    """

    camera_id: int
    lease_epoch: int
    epoch: str
    started_ns: int
    is_file: bool
    crossings: tuple[Crossing, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    events: tuple[CameraEvent, ...] = ()
    checkpoint: Checkpoint | None = None
    tenant_id: int = DEFAULT_TENANT_ID


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What a store made durable for a tenant: only crossings that were new, totals they changed, cameras it refused."""

    crossings: tuple[Crossing, ...] = ()
    totals: tuple[RuleTotals, ...] = ()
    refused_camera_ids: tuple[int, ...] = ()
    tenant_id: int = DEFAULT_TENANT_ID
