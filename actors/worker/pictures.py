"""Takes the picture of every crossing, with the way that the person came.

A crossing is confirmed by a frame that shows the person, and that frame is at hand: its picture is cut from it. Who is
lost in a zone was last seen some frames ago, so of people in the care of a camera with zones a picture is kept, made
anew once a second. Nothing else is kept of frames but where people were, for some seconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from actors.counting.people import People
from schema.camera import CameraSpec
from schema.events import Crossing, Frame
from schema.evidence import Evidence, TrajectoryPoint
from schema.picture import Area

log = structlog.get_logger(__name__)

REMEMBERED_NS = 5_000_000_000
"""Longer than a track outlives its person (2.5 s)."""
RENEWED_NS = 1_000_000_000
LONGEST_PX = 320
MARGIN = 0.15
"""Of the picture on each side, in heights of the person's box."""
JPEG_QUALITY = 80
POINTS = 48
"""Of a trajectory at most; more are thinned."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shot:
    """A person cut out of a frame: uint8 (H, W, 3) RGB, and where and when that was."""

    rgb: NDArray[np.uint8]
    box: Box
    seen_ns: int


@dataclass(kw_only=True, slots=True)
class _Memory:
    """What is remembered of one camera: its last seconds, and the last picture of each track by birth."""

    seen: deque[tuple[int, People]] = field(default_factory=deque[tuple[int, People]])
    shots: dict[int, _Shot] = field(default_factory=dict[int, _Shot])


class Pictures:
    """Pictures of a worker's crossings. Not thread-safe: the worker's loop owns it."""

    def __init__(self, keep: Callable[[Evidence], None]) -> None:
        """Hand each picture to ``keep``, which must not wait."""
        self._keep = keep
        self._memories: dict[int, _Memory] = {}

    def saw(self, spec: CameraSpec, frame: Frame, people: People) -> None:
        """Remember where people are in a frame that was counted just now."""
        memory = self._memories.setdefault(spec.id, _Memory())
        memory.seen.append((frame.captured_ns, people))
        while memory.seen[0][0] < frame.captured_ns - REMEMBERED_NS:
            memory.seen.popleft()
        if spec.scene.zones:
            _renew(memory.shots, frame, people)

    def crossed(self, spec: CameraSpec, crossing: Crossing, frame: Frame | None) -> None:
        """Take the picture of a crossing; one whose person was not seen lately has none.

        Args:
            spec: the crossing's camera.
            crossing: the crossing.
            frame: the one that was counted last; None where it is not at hand any more.
        """
        memory = self._memories.get(spec.id)
        last = _last_seen(memory, crossing.track_id) if memory else None
        if memory is None or last is None:
            return
        seen_ns, birth, box = last
        in_frame = frame is not None and frame.captured_ns == seen_ns
        shot = _shoot(frame, box) if frame is not None and in_frame else memory.shots.get(birth)
        if shot is None:
            return
        self._keep(
            Evidence(
                tenant_id=spec.tenant_id,
                event_id=crossing.event_id,
                occurred_ns=crossing.occurred_ns,
                seen_ns=shot.seen_ns,
                box=shot.box,
                trajectory=_trajectory(memory, birth, crossing.occurred_ns),
                jpeg=_jpeg(shot.rgb),
            )
        )

    def forget(self, camera_id: int) -> None:
        """The stream epoch is over: who comes next is somebody else."""
        self._memories.pop(camera_id, None)


def _renew(shots: dict[int, _Shot], frame: Frame, people: People) -> None:
    """Keep a picture of each confirmed person, not much older than ``RENEWED_NS`` while they are seen."""
    now_ns = frame.captured_ns
    for birth, number, box in zip(people.births.tolist(), people.ids.tolist(), people.boxes, strict=True):
        if number > 0 and (birth not in shots or now_ns - shots[birth].seen_ns >= RENEWED_NS):
            shot = _shoot(frame, _as_box(box))
            if shot is not None:
                shots[birth] = shot
    for birth in [birth for birth, shot in shots.items() if shot.seen_ns < now_ns - REMEMBERED_NS]:
        del shots[birth]


def _last_seen(memory: _Memory, track_id: int) -> tuple[int, int, Box] | None:
    """When and where a confirmed track was seen last, and its birth number."""
    for seen_ns, people in reversed(memory.seen):
        found = np.flatnonzero(people.ids == track_id)
        if len(found):
            return seen_ns, int(people.births[found[0]]), _as_box(people.boxes[found[0]])
    return None


def _trajectory(memory: _Memory, birth: int, occurred_ns: int) -> tuple[TrajectoryPoint, ...]:
    """Where a track's feet were, oldest first."""
    points = [
        TrajectoryPoint(
            after_ms=(seen_ns - occurred_ns) // 1_000_000,
            x=float(box[0] + box[2]) / 2,
            y=float(box[3]),
        )
        for seen_ns, people in memory.seen
        for box in people.boxes[people.births == birth]
    ]
    step = -(-len(points) // POINTS)
    return tuple(points[::-step][::-1]) if points else ()


def _shoot(frame: Frame, box: Box) -> _Shot | None:
    """Cut a person out of a frame, with a margin, never larger than in the frame; None where it cannot be scaled."""
    area = _area(box, frame.picture.width, frame.picture.height)
    width, height = area[2] - area[0], area[3] - area[1]
    scale = min(1.0, LONGEST_PX / max(width, height))
    try:
        rgb = frame.picture.cut(area, max(1, round(width * scale)), max(1, round(height * scale)))
    except (ValueError, MemoryError, OSError) as error:
        log.warning("Person could not be cut out", camera=frame.id.camera_id, seq=frame.id.seq, error=str(error))
        return None
    return _Shot(rgb=rgb, box=box, seen_ns=frame.captured_ns)


def _area(box: Box, width: int, height: int) -> Area:
    """A box with its margin in pixels, within the picture, at least two pixels wide and high."""
    margin = MARGIN * (box[3] - box[1]) * height
    left = min(max(0, int(box[0] * width - margin)), width - 2)
    top = min(max(0, int(box[1] * height - margin)), height - 2)
    right = max(left + 2, min(width, int(box[2] * width + margin)))
    bottom = max(top + 2, min(height, int(box[3] * height + margin)))
    return left, top, right, bottom


def _as_box(row: NDArray[np.float64]) -> Box:
    left, top, right, bottom = (float(value) for value in row)
    return left, top, right, bottom


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {rgb.shape} could not be encoded")
    return encoded.tobytes()
