"""A decoded frame that scales itself on demand, straight from the codec's colour space to the size asked for."""

import threading

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

# Area averaging is both the fastest filter that uses all pixels (1080p to 640x360: 1.25 ms, bilinear 1.8 ms, full-size
# RGB and cv2.resize 2.7 ms) and the most accurate one; fast bilinear (1.0 ms) leaves lines out and aliases. People
# are found as well as in pictures of cv2.resize (YOLO11n on PETS09-S2L1: recall 0.935 and 0.931).
_FILTER = Interpolation.AREA


class Scaler:
    """Scales the frames of one source. Keeps swscale's tables between frames; safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rgb = VideoReformatter()
        self._luma = VideoReformatter()

    def rgb(self, frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """Colour picture as uint8 (height, width, 3) RGB; a view of swscale's output, rows may be padded."""
        with self._lock:
            scaled = self._rgb.reformat(frame, width, height, "rgb24", interpolation=_FILTER, threads=1)
        plane = scaled.planes[0]
        return np.ndarray((height, width, 3), np.uint8, plane, strides=(plane.line_size, 3, 1))  # type: ignore[arg-type]

    def luma(self, frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """Brightness as uint8 (height, width); a view of swscale's output, rows may be padded."""
        with self._lock:
            scaled = self._luma.reformat(frame, width, height, "gray", interpolation=_FILTER, threads=1)
        plane = scaled.planes[0]
        return np.ndarray((height, width), np.uint8, plane, strides=(plane.line_size, 1))  # type: ignore[arg-type]


class DecodedPicture:
    """The ``Picture`` of a frame decoded by PyAV; no pixel is converted before it is asked for.

    It stands upright: where a phone lay on its side and the file says so, width and height are as displayed.
    """

    __slots__ = ("_frame", "_quarter_turns", "_scaler")

    def __init__(self, frame: VideoFrame, scaler: Scaler) -> None:
        self._frame = frame
        self._quarter_turns = round(frame.rotation / 90) % 4
        self._scaler = scaler

    @property
    def width(self) -> int:
        """Width in pixels, as displayed."""
        return self._frame.height if self._quarter_turns % 2 else self._frame.width

    @property
    def height(self) -> int:
        """Height in pixels, as displayed."""
        return self._frame.width if self._quarter_turns % 2 else self._frame.height

    def rgb(self, width: int, height: int) -> NDArray[np.uint8]:
        """Colour picture scaled to (height, width, 3), uint8 RGB."""
        if self._quarter_turns % 2:
            width, height = height, width
        return np.rot90(self._scaler.rgb(self._frame, width, height), self._quarter_turns)

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Brightness scaled to (height, width), uint8."""
        if self._quarter_turns % 2:
            width, height = height, width
        return np.rot90(self._scaler.luma(self._frame, width, height), self._quarter_turns)
