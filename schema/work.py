"""What a supervisor and its camera workers tell each other, as frozen values."""

from dataclasses import dataclass
from typing import Literal

from schema.camera import CameraSpec
from schema.events import Checkpoint

CameraState = Literal["opening", "watching", "lost", "refused", "failed", "finished"]
"""``refused`` and ``lost`` are tried again for ever; ``failed`` (not a video) and ``finished`` (recorded) are not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A camera lent to one worker under a lease.

    A recorded one also names the stream epoch that is to be counted (the file's fingerprint), and where to go on.
    """

    spec: CameraSpec
    lease_epoch: int
    epoch: str = ""
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraStatus:
    """How one camera of a worker is doing.

    ``looked_at`` frames have been counted since the camera was assigned, ``fps`` of them a second lately. ``seq`` is
    the last of them and ``last_frame_ns`` its capture time (None before the first). ``skipped`` frames gave way to
    newer ones. ``lag_s`` is how long the last frame of a live camera took from capture to having been counted.
    ``reason`` explains any state but ``watching``.
    """

    spec: CameraSpec
    lease_epoch: int
    state: CameraState
    reason: str = ""
    fps: float = 0.0
    looked_at: int = 0
    seq: int = 0
    last_frame_ns: int | None = None
    skipped: int = 0
    still: int = 0
    reconnects: int = 0
    lag_s: float = 0.0
    model: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStatus:
    """How a worker is doing.

    ``unsent_bytes`` of deliveries lie in its journal; ``trouble`` is why the detector does not answer, empty while it
    does; ``pid`` is its process on its node. Of pictures of crossings, ``pictures_waiting`` are not stored yet, and
    ``pictures_dropped`` gave way to newer ones or never got their crossing.
    """

    name: str
    cameras: tuple[CameraStatus, ...] = ()
    unsent_bytes: int = 0
    pid: int = 0
    trouble: str = ""
    detector_retries: int = 0
    pictures_stored: int = 0
    pictures_dropped: int = 0
    pictures_waiting: int = 0
