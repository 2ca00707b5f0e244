"""Which moment a frame belongs to, which frames are due, and how long a camera was watched. Pure: no clock."""

from schema.events import Coverage

SECOND_NS = 1_000_000_000

_BACKWARD_JUMP_NS = SECOND_NS
_FORWARD_JUMP_NS = 3600 * SECOND_NS
_LEAST_STEP_NS = 1_000_000
_LONGEST_GAP_NS = 2 * SECOND_NS


class FileTimeline:
    """Capture times of a recorded file, strictly increasing whatever its timestamps say.

    A frame out of order by less than a second follows its predecessor by a millisecond. A missing timestamp, a longer
    way back or more than an hour forward (a wrapped or reset clock) is one frame period, and time goes on from there.
    """

    def __init__(self, *, started_ns: int, period_ns: int) -> None:
        self._started_ns = started_ns
        self._period_ns = period_ns
        self._last_ns: int | None = None
        self._offset_ns = 0

    def next(self, pts_ns: int | None) -> int:
        """The capture time of the next frame, given its presentation time (or None where the file has none)."""
        if self._last_ns is None:
            self._offset_ns = self._started_ns - (pts_ns or 0)
            self._last_ns = self._started_ns
            return self._last_ns
        self._last_ns = self._after(self._last_ns, pts_ns)
        return self._last_ns

    def _after(self, last_ns: int, pts_ns: int | None) -> int:
        if pts_ns is None:
            return last_ns + self._period_ns
        step_ns = pts_ns + self._offset_ns - last_ns
        if step_ns <= -_BACKWARD_JUMP_NS or step_ns > _FORWARD_JUMP_NS:
            self._offset_ns = last_ns + self._period_ns - pts_ns
            return last_ns + self._period_ns
        return last_ns + max(step_ns, _LEAST_STEP_NS)


class FrameSampler:
    """Takes ``fps`` frames a second, or every frame where ``fps`` is None.

    Time is cut into cells of one period, centred on the multiples of the period so that a camera of exactly this rate
    keeps all its frames in spite of rounding; the first frame of each cell is due. The answer depends only on a frame
    and the one before it, so a file that is resumed in the middle gives the same frames.
    """

    def __init__(self, *, fps: float | None, started_ns: int) -> None:
        self._period_ns = None if fps is None else round(SECOND_NS / fps)
        self._started_ns = started_ns
        self._last_cell: int | None = None

    def due(self, captured_ns: int) -> bool:
        """Whether this frame is to be looked at; to be asked for every frame, in order."""
        if self._period_ns is None:
            return True
        cell = (captured_ns - self._started_ns + self._period_ns // 2) // self._period_ns
        first = cell != self._last_cell
        self._last_cell = cell
        return first


def extend(watched: Coverage | None, *, camera_id: int, epoch: str, captured_ns: int) -> Coverage:
    """The interval that a camera has been watched, with one more frame in it.

    Another epoch, or more than two seconds without a frame, starts a new interval.
    """
    if watched is None or watched.epoch != epoch or captured_ns - watched.to_ns > _LONGEST_GAP_NS:
        return Coverage(camera_id=camera_id, epoch=epoch, from_ns=captured_ns, to_ns=captured_ns)
    return Coverage(camera_id=camera_id, epoch=epoch, from_ns=watched.from_ns, to_ns=captured_ns)
