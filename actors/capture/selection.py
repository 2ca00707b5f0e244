"""Which of a camera's decoded frames are worth passing on. Pure: time comes with the frames."""

from dataclasses import replace

from actors.capture.motion import MotionGate, luma_size
from actors.capture.timeline import SECOND_NS, FrameSampler
from schema.events import Frame

_KEEP_ALIVE_NS = SECOND_NS // 2


class FrameSelector:
    """Samples a stream epoch at the rate asked for, and holds back frames of a still scene.

    A still scene passes two frames a second, marked ``still``, so that the worker knows that people stay where they
    are; no pixel of these is converted to colour.
    """

    def __init__(self, *, fps: float | None, started_ns: int, gate: MotionGate | None) -> None:
        """Start with an epoch.

        Args:
            fps: frames a second to take; None takes all.
            started_ns: capture time of the epoch's first frame.
            gate: tells still frames; None passes every frame that is due.
        """
        self.still = 0
        """Frames that were due, and in which the gate saw no change."""
        self._sampler = FrameSampler(fps=fps, started_ns=started_ns)
        self._gate = gate
        self._keep_alive_ns = 0

    def select(self, frame: Frame) -> Frame | None:
        """The frame to pass on, perhaps marked ``still``, or None. To be asked for every frame, in order."""
        if not self._sampler.due(frame.captured_ns):
            return None
        if self._gate is None or self._moved(self._gate, frame):
            self._keep_alive_ns = frame.captured_ns + _KEEP_ALIVE_NS
            return frame
        self.still += 1
        if frame.captured_ns < self._keep_alive_ns:
            return None
        self._keep_alive_ns = frame.captured_ns + _KEEP_ALIVE_NS
        return replace(frame, still=True)

    @staticmethod
    def _moved(gate: MotionGate, frame: Frame) -> bool:
        width, height = luma_size(frame.picture.width, frame.picture.height)
        return gate.moved(frame.picture.luma(width, height), frame.captured_ns)
