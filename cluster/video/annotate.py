"""Writes a video that shows what was counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import OutputContainer

from cluster.video.count import Counted
from cluster.video.drawing import Painter
from cluster.video.whole_file import whole_file
from schema.errors import BadInput
from schema.geometry import Scene
from schema.picture import Picture

SUFFIXES = (".mp4", ".mkv", ".mov")

_MIN_LENGTH_PX = 1024
"""Smaller pictures are enlarged to this, so that thin lines and small letters stay sharp."""
_TICKS_PER_S = 90_000
_OPTIONS = {"crf": "20", "preset": "veryfast"}


class AnnotatedVideo:
    """An H.264 video that grows by the frames that were looked at, at the times they were captured."""

    def __init__(self, container: OutputContainer, scene: Scene, fps: float) -> None:
        self._container = container
        self._scene = scene
        self._stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=_OPTIONS)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        self._painter: Painter | None = None
        self._first_ns = 0
        self._last_tick = -1

    def add(self, counted: Counted) -> None:
        """Draw and encode one frame."""
        if self._painter is None:
            self._begin(counted)
        assert self._painter is not None  # noqa: S101 - for the type checker
        picture = np.ascontiguousarray(counted.frame.picture.rgb(self._stream.width, self._stream.height))
        self._painter.paint(picture, counted)
        tick = round((counted.frame.captured_ns - self._first_ns) * _TICKS_PER_S / 1e9)
        self._last_tick = max(tick, self._last_tick + 1)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _TICKS_PER_S)
        self._container.mux(self._stream.encode(frame))

    def _begin(self, counted: Counted) -> None:
        self._stream.width, self._stream.height = _output_size(counted.frame.picture)
        self._painter = Painter(self._scene, self._stream.width, self._stream.height)
        self._first_ns = counted.frame.captured_ns

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._painter is not None:
            self._container.mux(self._stream.encode())


@contextmanager
def annotated_video(path: Path, scene: Scene, fps: float) -> Iterator[AnnotatedVideo]:
    """Open a video to be written; it appears as ``path`` when the block ends well, otherwise nothing does.

    Args:
        path: where to; ends in one of ``SUFFIXES``.
        scene: the lines and zones to draw.
        fps: nominal frames a second, for players; frames keep their own times.

    Raises:
        BadInput: the place cannot be written to, or the name has another ending.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadInput(f"cannot write video '{path}': give a name that ends in {', '.join(SUFFIXES)}")
    with whole_file(path) as part, av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
        video = AnnotatedVideo(container, scene, fps)
        yield video
        video.finish()


def _output_size(picture: Picture) -> tuple[int, int]:
    scale = max(1.0, _MIN_LENGTH_PX / max(picture.width, picture.height))
    # H.264 with halved colour planes needs even sides.
    return round(picture.width * scale / 2) * 2, round(picture.height * scale / 2) * 2
