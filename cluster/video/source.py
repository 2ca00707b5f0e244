"""The VIDEO of a command: a file, a stream, or only a picture size for detections that were made earlier."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.capture.sources import FileSource, probe
from actors.capture.stream import RtspSource
from schema.errors import BadInput, SourceLost
from schema.events import Frame, FrameId
from schema.picture import Area
from schema.ports import FrameSource
from schema.sources import is_live, redact

CAMERA_ID = 1
"""The only camera of a run that counts one video."""

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})@(\d{1,4}(?:\.\d+)?)")
_SECOND_NS = 1_000_000_000
_BACKGROUND = 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """What can be counted.

    ``width`` and ``height`` in pixels, ``fps`` and ``frames`` are what a file's header says; None where nothing does.
    ``pixels`` is False where only the size is given.
    """

    name: str
    live: bool = False
    pixels: bool = True
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels.

        Raises:
            BadInput: it is a live stream, whose size is not known before it is watched.
        """
        if self.width is None or self.height is None:
            raise BadInput(f"'{self}' is a live stream: give a recorded video, or its size like 768x576@7")
        return self.width, self.height

    def open(self, last_frame: int | None = None) -> FrameSource:
        """Start to read; without pixels there is nothing to read, and frames end with ``last_frame``.

        Raises:
            BadInput: it cannot be opened, a live source does not answer, or there are neither pixels nor a last frame.
        """
        if self.live:
            try:
                return RtspSource(self.name, CAMERA_ID)
            except SourceLost as lost:
                raise BadInput(f"{lost}: check that the stream plays") from lost
        if self.pixels:
            return FileSource(self.name, CAMERA_ID, 0)
        if last_frame is None or self.width is None or self.height is None or self.fps is None:
            raise BadInput(f"'{self.name}' is only a size: give a video file, or --detections to count without one")
        return _BlankSource(self.width, self.height, self.fps, last_frame)

    def __str__(self) -> str:
        """Its name, fit to be shown."""
        return redact(self.name)


def describe_video(video: str) -> Video:
    """Tell what the argument VIDEO is: an RTSP or HTTP URL, the path of a file, or ``WxH@FPS``.

    Raises:
        BadInput: the file is missing, empty or not video, or the size is impossible.
    """
    if is_live(video):
        return Video(name=video, live=True)
    size = _SIZE.fullmatch(video)
    if size is None or Path(video).exists():
        info = probe(video)
        return Video(name=video, width=info.width, height=info.height, fps=info.fps, frames=info.frames)
    width, height, fps = int(size[1]), int(size[2]), float(size[3])
    if min(width, height, fps) <= 0:
        raise BadInput(f"'{video}' has a size or rate of zero: write it like 768x576@7")
    return Video(name=video, pixels=False, width=width, height=height, fps=fps)


class _BlankSource:
    """Frames of a size and rate that show nothing: for detections whose pictures are not at hand."""

    def __init__(self, width: int, height: int, fps: float, last_frame: int) -> None:
        self._picture = _BlankPicture(width, height)
        self._fps = fps
        self._last_frame = last_frame

    @property
    def epoch(self) -> str:
        """The stream epoch."""
        return f"{self._picture.width}x{self._picture.height}@{self._fps:g}"

    def frames(self) -> Iterator[Frame]:
        """Frames 1 to the last."""
        for seq in range(1, self._last_frame + 1):
            captured_ns = round((seq - 1) * _SECOND_NS / self._fps)
            frame_id = FrameId(camera_id=CAMERA_ID, epoch=self.epoch, seq=seq)
            yield Frame(id=frame_id, captured_ns=captured_ns, picture=self._picture)

    def close(self) -> None:
        """There is nothing to let go of."""


class _BlankPicture:
    """An evenly dark picture."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height

    def rgb(self, width: int, height: int) -> NDArray[np.uint8]:
        """Dark grey, uint8 (height, width, 3)."""
        return np.full((height, width, 3), _BACKGROUND, np.uint8)

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Dark grey, uint8 (height, width)."""
        return np.full((height, width), _BACKGROUND, np.uint8)

    def cut(self, area: Area, width: int, height: int) -> NDArray[np.uint8]:  # noqa: ARG002 - all parts are alike
        """Dark grey, uint8 (height, width, 3)."""
        return self.rgb(width, height)
