"""One camera in a worker's care: what it saw last, and what has not been delivered yet.

A live camera delivers crossings at once and its coverage about once a second. A recorded one delivers everything
together with a checkpoint, all or nothing: whoever goes on from that checkpoint finds exactly the crossings that
come after it.
"""

import struct
from collections import deque
from collections.abc import Iterable
from uuid import UUID, uuid5

from actors.capture.feed import CameraFeed, FeedEvent
from schema.camera import CameraSpec
from schema.events import CameraEvent, Checkpoint, Coverage, Crossing, Delivery, Detections, Frame
from schema.work import Assignment, CameraState, CameraStatus

COVERAGE_GAP_NS = 2_000_000_000
"""A camera that was not looked at for longer was not watched (for two frames, where it is looked at rarely)."""
COVERAGE_EVERY_NS = 1_000_000_000
CHECKPOINT_EVERY_NS = 2_000_000_000
CHECKPOINT_FRAMES = 250

_EVENTS = UUID("c1c2b0a5-9c57-4c6e-8f0a-6d2c6b1f5a10")
_COVERED = struct.Struct("<qq")
_STATES: dict[str, CameraState] = {
    "connected": "watching",
    "lost": "lost",
    "refused": "refused",
    "ended": "finished",
}


class Watch:
    """The books of one camera under one lease. Not thread-safe: the worker's loop owns it."""

    def __init__(self, assignment: Assignment, feed: CameraFeed) -> None:
        self.spec = assignment.spec
        self.lease_epoch = assignment.lease_epoch
        self.feed = feed
        self.expected_epoch = assignment.epoch
        self.epoch: str | None = None
        self.last_seen = Detections.none()
        self.state: CameraState = "opening"
        self.reason = ""
        self._resume = assignment.checkpoint
        self._started_ns = 0
        self._seq = 0
        self._frames_since_checkpoint = 0
        self._last_frame_ns: int | None = None
        self._lag_s = 0.0
        self._looked_at = 0
        self._looked_at_ns: deque[int] = deque(maxlen=64)
        self._covered = _Covered(_longest_gap_ns(self.spec))
        self._delivered_ns = 0
        self._crossings: list[Crossing] = []
        self._events: list[CameraEvent] = []

    @property
    def recorded(self) -> bool:
        """Whether every frame counts and the source ends."""
        return self.spec.playback == "recorded"

    def begin(self, epoch: str, first_ns: int) -> bytes | None:
        """Start a stream epoch; gives the counting state to go on from, if there is one for this epoch."""
        self.epoch = epoch
        self.last_seen = Detections.none()
        self._started_ns = self.spec.started_ns if self.recorded else first_ns
        checkpoint, self._resume = self._resume, None
        if checkpoint is None or not checkpoint.state:
            self._covered = _Covered(_longest_gap_ns(self.spec))
            return None
        self._seq = checkpoint.seq
        self._covered = _Covered(_longest_gap_ns(self.spec), *_COVERED.unpack_from(checkpoint.state))
        return checkpoint.state[_COVERED.size :]

    def saw(self, frame: Frame, detections: Detections, now_ns: int) -> None:
        """Note that a frame has been looked at (or was still, and is taken for the last one)."""
        self.last_seen = detections
        self.state, self.reason = "watching", ""
        self._seq = frame.id.seq
        self._last_frame_ns = frame.captured_ns
        self._lag_s = 0.0 if self.recorded else (now_ns - frame.captured_ns) / 1e9
        self._looked_at += 1
        self._looked_at_ns.append(now_ns)
        self._frames_since_checkpoint += 1
        self._covered.saw(frame.captured_ns)

    def found(self, crossings: Iterable[Crossing]) -> None:
        """Note crossings that have to be delivered."""
        self._crossings.extend(crossings)

    def happened(self, event: FeedEvent, now_ns: int) -> None:
        """Note what the feed said; the same news again and again (a dead camera's) is told once."""
        if event.kind == "failed":
            self.fail(event.reason, now_ns)
            return
        state = _STATES[event.kind]
        if (state, event.reason) != (self.state, self.reason) or event.kind in ("connected", "lost"):
            self._note(event.kind, event.epoch, event.occurred_ns, event.reason)
        self.state, self.reason = state, event.reason

    @property
    def failed(self) -> bool:
        """Whether trying on cannot help."""
        return self.state == "failed"

    def fail(self, reason: str, now_ns: int) -> None:
        """Note that trying on cannot help; that happens now, even to a recording from long ago."""
        self.state, self.reason = "failed", reason
        self._note("failed", self.epoch or self.expected_epoch, now_ns, reason)

    def _note(self, event_type: str, epoch: str, occurred_ns: int, reason: str) -> None:
        self._events.append(
            CameraEvent(
                event_id=uuid5(_EVENTS, f"{self.spec.id}/{epoch}/{event_type}/{occurred_ns}"),
                camera_id=self.spec.id,
                event_type=event_type,
                occurred_ns=occurred_ns,
                data={"reason": reason} if reason else {},
            )
        )

    def delivery_due(self, now_ns: int) -> bool:
        """Whether there is something to deliver now; for a recorded camera: whether a checkpoint is due."""
        if self.recorded:
            waited = now_ns - self._delivered_ns >= CHECKPOINT_EVERY_NS
            return self._frames_since_checkpoint >= CHECKPOINT_FRAMES or (
                waited and (self._frames_since_checkpoint > 0 or bool(self._events))
            )
        return bool(self._crossings or self._events) or (
            self._covered.grew and now_ns - self._delivered_ns >= COVERAGE_EVERY_NS
        )

    def deliver(self, now_ns: int, *, state: bytes | None = None, finished: bool = False) -> Delivery:
        """Hand over everything noted so far.

        Args:
            now_ns: the time.
            state: of a recorded camera, the counting state after the last frame noted.
            finished: the recording has ended, and this is the last delivery.
        """
        checkpoint = None
        if self.recorded and self.epoch is not None and (state is not None or finished):
            kept = b"" if finished else _COVERED.pack(*self._covered.interval) + (state or b"")
            checkpoint = Checkpoint(epoch=self.epoch, seq=self._seq, state=kept, finished=finished)
        delivery = Delivery(
            camera_id=self.spec.id,
            lease_epoch=self.lease_epoch,
            epoch=self.epoch or self.expected_epoch,
            started_ns=self._started_ns or self.spec.started_ns or now_ns,
            is_file=self.recorded,
            crossings=tuple(self._crossings),
            coverage=tuple(
                Coverage(camera_id=self.spec.id, epoch=self.epoch or self.expected_epoch, from_ns=from_ns, to_ns=to_ns)
                for from_ns, to_ns in self._covered.take()
            ),
            events=tuple(self._events),
            checkpoint=checkpoint,
            tenant_id=self.spec.tenant_id,
        )
        self._crossings, self._events = [], []
        self._delivered_ns = now_ns
        self._frames_since_checkpoint = 0
        return delivery

    def end_epoch(self) -> None:
        """The stream epoch is over."""
        self.epoch = None

    def change(self, spec: CameraSpec) -> None:
        """Take over other rules or another name."""
        self.spec = spec

    def status(self, now_ns: int) -> CameraStatus:
        """How the camera is doing."""
        stats = self.feed.stats
        return CameraStatus(
            spec=self.spec,
            lease_epoch=self.lease_epoch,
            state=self.state,
            reason=self.reason,
            fps=self._fps(now_ns),
            looked_at=self._looked_at,
            seq=self._seq,
            last_frame_ns=self._last_frame_ns,
            skipped=stats.skipped,
            still=stats.still,
            reconnects=stats.reconnects,
            lag_s=self._lag_s,
            model=self.last_seen.model,
        )

    def _fps(self, now_ns: int) -> float:
        looked = self._looked_at_ns
        if len(looked) < 2 or now_ns - looked[-1] > 5e9 or looked[-1] == looked[0]:
            return 0.0
        return (len(looked) - 1) * 1e9 / (looked[-1] - looked[0])


def _longest_gap_ns(spec: CameraSpec) -> int:
    return max(COVERAGE_GAP_NS, round(2e9 / spec.detect_fps) if spec.detect_fps else 0)


class _Covered:
    """Intervals in which frames came without a long gap, until they are taken."""

    def __init__(self, gap_ns: int, from_ns: int = 0, to_ns: int = 0) -> None:
        self._gap_ns = gap_ns
        self.interval = (from_ns, to_ns)
        self._grown: dict[int, int] = {}

    @property
    def grew(self) -> bool:
        return bool(self._grown)

    def saw(self, captured_ns: int) -> None:
        from_ns, to_ns = self.interval
        goes_on = to_ns and captured_ns - to_ns <= self._gap_ns
        self.interval = (from_ns if goes_on else captured_ns, captured_ns)
        self._grown[self.interval[0]] = captured_ns

    def take(self) -> list[tuple[int, int]]:
        grown, self._grown = self._grown, {}
        return list(grown.items())
