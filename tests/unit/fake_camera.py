"""Sources that are scripts: no file, no socket, no clock."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schema.camera import CameraSpec
from schema.events import Frame, FrameId
from schema.geometry import Scene

MS = 1_000_000
FRAME_NS = 40 * MS


@dataclass(frozen=True, kw_only=True)
class Grey:
    """A picture of one brightness, or with a bright patch."""

    patch: bool = False
    width: int = 160
    height: int = 90

    def rgb(self, width: int, height: int) -> NDArray[np.uint8]:
        raise AssertionError("no colour was asked for")

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        plane = np.full((height, width), 90, np.uint8)
        if self.patch:
            plane[20:40, 20:40] = 200
        return plane


def frame(seq: int, *, epoch: str = "e", at_ns: int | None = None, patch: bool = False, still: bool = False) -> Frame:
    return Frame(
        id=FrameId(camera_id=1, epoch=epoch, seq=seq),
        captured_ns=(seq - 1) * FRAME_NS if at_ns is None else at_ns,
        picture=Grey(patch=patch),
        still=still,
    )


class FakeSource:
    """Gives its frames, then ends or raises."""

    def __init__(self, frames: Sequence[Frame], *, epoch: str = "e", error: Exception | None = None) -> None:
        self.epoch = epoch
        self.closed = False
        self._frames = frames
        self._error = error

    def frames(self) -> Iterator[Frame]:
        yield from self._frames
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed = True


class Opener:
    """Opens the next of a list of sources, or raises it; calls ``at_end`` when there is no further one."""

    def __init__(self, *outcomes: FakeSource | Exception, at_end: Callable[[], None] = lambda: None) -> None:
        self.outcomes = list(outcomes)
        self.at_end = at_end
        self.start_seqs: list[int] = []

    def __call__(self, spec: CameraSpec, start_seq: int, clock_ns: Callable[[], int]) -> FakeSource:
        self.start_seqs.append(start_seq)
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            self.at_end()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def camera(source: str = "rtsp://camera/1", *, playback: str = "live", detect_fps: float | None = None) -> CameraSpec:
    return CameraSpec(id=1, name="door", source=source, scene=Scene(), playback=playback, detect_fps=detect_fps)  # type: ignore[arg-type]
