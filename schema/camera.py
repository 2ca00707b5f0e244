"""One camera as configured: where its pictures come from and what it counts."""

from dataclasses import dataclass, field
from typing import Literal

from schema.geometry import Scene
from schema.tenants import DEFAULT_TENANT_ID

DEFAULT_DETECT_FPS = 8.0

Playback = Literal["live", "recorded"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraSpec:
    """A camera and its rules.

    ``source`` is an RTSP or HTTP URL with its credentials, or the path of a video file. ``playback`` tells how a file
    is read: ``recorded`` takes every frame as fast as it can be counted and ends; ``live`` plays it in real time, over
    and over, like a camera. URLs are always live. ``detect_fps`` is how many frames a second go to the detector; None
    means all. ``started_ns`` is the capture time of a recorded file's first frame. ``evidence``: keep a picture of each
    crossing.
    """

    id: int
    name: str
    source: str = field(repr=False)
    scene: Scene
    playback: Playback = "live"
    detect_fps: float | None = DEFAULT_DETECT_FPS
    started_ns: int = 0
    evidence: bool = True
    tenant_id: int = DEFAULT_TENANT_ID
