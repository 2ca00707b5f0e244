"""Tells a still scene from one that changes, on a small luma plane. Pure: time is an argument."""

import cv2
import numpy as np
from numpy.typing import NDArray

from actors.capture.timeline import SECOND_NS

_BACKGROUND_TAU_NS = 4 * SECOND_NS
_HOLD_OPEN_NS = SECOND_NS
RECHECK_NS = 5 * SECOND_NS

_LEAST_CHANGE = 5.0
"""In grey levels of 255, after smoothing."""
_NOISE_FACTOR = 6.0
_SIGMA_PER_DEVIATION = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_LONG_SIDE_PX = 240
_SHORTEST_SIDE_PX = 8


def luma_size(width: int, height: int) -> tuple[int, int]:
    """Size of the plane that the gate works on, in pixels: the long side is 240, the picture's aspect is kept.

    A person of 5 % of the picture's height then covers about 7 rows.
    """
    scale = min(1.0, _LONG_SIDE_PX / max(width, height))
    return max(_SHORTEST_SIDE_PX, round(width * scale)), max(_SHORTEST_SIDE_PX, round(height * scale))


class MotionGate:
    """Whether the picture has changed: someone came, moved or left since the last frames that were looked at.

    The plane is compared with a running average of what was there before, after taking out the change that all of the
    picture shares (exposure, dusk). What remains is smoothed over 3x3 pixels, so that a change has to be a patch, and
    held against a threshold that follows the picture's own noise (the median deviation, a robust sigma).

    Open for a second after each change, and for one frame every ``recheck_ns`` while still.
    """

    def __init__(self, *, recheck_ns: int = RECHECK_NS) -> None:
        self._recheck_ns = recheck_ns
        self._background: NDArray[np.float32] | None = None
        self._last_ns = 0
        self._open_until_ns = 0
        self._recheck_at_ns = 0

    def moved(self, luma: NDArray[np.uint8], now_ns: int) -> bool:
        """Whether this frame has to be looked at.

        Args:
            luma: uint8 (h, w), brightness, of the size ``luma_size`` gives.
            now_ns: when it was captured; later than the frame before.

        Returns:
            True where the picture changed less than a second ago, or was not looked at for ``recheck_ns``. The first
            frame, and one of another size, always is.
        """
        smooth = np.asarray(cv2.boxFilter(luma, cv2.CV_32F, (3, 3)), np.float32)
        if self._background is None or self._background.shape != smooth.shape:
            self._background = smooth
            changed = True
        else:
            changed = self._changed(smooth, self._background)
            weight = 1.0 - float(np.exp(-(now_ns - self._last_ns) / _BACKGROUND_TAU_NS))
            cv2.accumulateWeighted(smooth, self._background, weight)
        self._last_ns = now_ns
        if changed:
            self._open_until_ns = now_ns + _HOLD_OPEN_NS
        if now_ns < self._open_until_ns or now_ns >= self._recheck_at_ns:
            self._recheck_at_ns = now_ns + self._recheck_ns
            return True
        return False

    @staticmethod
    def _changed(smooth: NDArray[np.float32], background: NDArray[np.float32]) -> bool:
        # Along the edges smoothing has fewer pixels to average, and noise would pass for motion there.
        difference = (smooth - background)[1:-1, 1:-1]
        # Every eighth pixel says as much about the whole picture.
        sample = difference[::4, ::2].ravel()
        shared = _median(sample)
        noise = _SIGMA_PER_DEVIATION * _median(np.abs(sample - shared))
        largest = max(float(difference.max()) - shared, shared - float(difference.min()))
        return largest > max(_LEAST_CHANGE, _NOISE_FACTOR * noise)


def _median(values: NDArray[np.float32]) -> float:
    # A fifth of the time of np.median, which also averages the two in the middle and looks for NaN.
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])
