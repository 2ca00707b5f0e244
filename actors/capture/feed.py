"""One camera in one thread: opens its source, picks frames, and opens it again when it is lost."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import structlog

from actors.backoff import Backoff
from actors.capture.feed_queue import FeedEvent, FeedEventKind, FeedQueue
from actors.capture.motion import MotionGate
from actors.capture.selection import FrameSelector
from actors.capture.sources import open_source
from actors.capture.timeline import SECOND_NS, extend
from schema.camera import CameraSpec
from schema.errors import BadInput, SourceLost
from schema.events import Coverage, Frame
from schema.ports import FrameSource
from schema.sources import is_live, redact

log = structlog.get_logger(__name__)

FeedState = Literal["connecting", "watching", "waiting", "ended", "failed", "closed"]
OpenSource = Callable[[CameraSpec, int, Callable[[], int]], FrameSource]

RECORDED_FRAMES_AHEAD = 8
_LIVE_EVENTS_KEPT = 256
JOIN_S = 1.0
_STABLE_NS = 10 * SECOND_NS
"""A connection that lasted this long starts the back-off anew; one that keeps breaking at once does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedStats:
    """Counts of one feed since it started.

    ``decoded`` frames came from the source; ``skipped`` ones were due but gave way to newer ones before anyone took
    them; ``still`` ones were due but showed no change. ``reconnects`` are connections after one was lost or refused.
    ``last_frame_ns`` is when the last frame was captured.
    """

    decoded: int
    skipped: int
    still: int
    reconnects: int
    last_frame_ns: int | None
    state: FeedState


class CameraFeed:
    """Frames and events of one camera, ready to be taken.

    Live (``playback == "live"`` or a URL): the newest frame wins, and the source is opened again for ever, with
    back-off unless it is a file that starts over. Recorded: every frame that is due, in order; the thread waits while
    ``RECORDED_FRAMES_AHEAD`` are not taken.
    """

    def __init__(
        self,
        spec: CameraSpec,
        *,
        bell: threading.Event,
        start_seq: int = 1,
        motion_gate: bool = True,
        clock_ns: Callable[[], int] = time.time_ns,
        open_source: OpenSource = open_source,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Prepare; nothing is opened before ``start``.

        Args:
            spec: the camera.
            bell: set whenever something is ready; feeds of one worker share it.
            start_seq: first frame to give, of a recorded file.
            motion_gate: hold back frames of a still scene; recordings never do.
            clock_ns: wall-clock time.
            open_source: opens the source, given the camera, the first frame wanted, and the clock.
            pause: waits some seconds between two attempts; None waits, but not longer than until ``close``.
        """
        self._spec = spec
        self._recorded = spec.playback == "recorded" and not is_live(spec.source)
        self._bell = bell
        self._start_seq = start_seq
        self._gated = motion_gate and not self._recorded
        self._clock_ns = clock_ns
        self._open_source = open_source
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._queue = FeedQueue(
            newest_wins=not self._recorded, capacity=RECORDED_FRAMES_AHEAD if self._recorded else _LIVE_EVENTS_KEPT
        )
        self._thread = threading.Thread(target=self.run, name=f"feed-{spec.id}", daemon=True)
        self._source: FrameSource | None = None
        self._backoff = Backoff()
        self._trouble = ""
        self._watched: Coverage | None = None
        self._decoded = self._still = self._reconnects = 0
        self._state: FeedState = "connecting"

    @property
    def stats(self) -> FeedStats:
        """Counts so far."""
        return FeedStats(
            decoded=self._decoded,
            skipped=self._queue.skipped,
            still=self._still,
            reconnects=self._reconnects,
            last_frame_ns=self._watched.to_ns if self._watched else None,
            state="closed" if self._closing.is_set() else self._state,
        )

    @property
    def watched(self) -> Coverage | None:
        """The latest interval in which frames came without a gap of two seconds; None before the first frame."""
        return self._watched

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and let go of the source; what was not taken is gone.

        Returns within a second: a thread that hangs in a read of a dead stream ends by itself at its time-out.
        """
        self._closing.set()
        self._queue.close()
        source = self._source
        if source is not None:
            source.close()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def take(self, limit: int) -> list[Frame | FeedEvent]:
        """Up to ``limit`` frames and events, in order; never waits."""
        return self._queue.take(limit)

    def run(self) -> None:
        """Watch until the recording ends, the source cannot be watched, or ``close``: what the thread does."""
        while not self._closing.is_set():
            self._state = "connecting"
            again_in_s = self._watch_once()
            if again_in_s is None:
                return
            self._state = "waiting"
            self._pause(again_in_s)

    def _watch_once(self) -> float | None:
        """Open the source and watch it to its end; seconds to wait before the next time, None where there is none."""
        epoch = ""
        try:
            # One frame earlier than wanted: which frames are due depends on the frame before.
            source = self._source = self._open_source(self._spec, max(1, self._start_seq - 1), self._clock_ns)
            epoch = source.epoch
            with closing(source):
                self._watch(source)
        except SourceLost as error:
            return self._after_trouble(str(error), epoch=epoch)
        except BadInput as error:
            self._fail(str(error))
            return None
        except Exception as error:  # a live camera must come back whatever it was
            log.exception("Camera feed broke", camera=self._spec.name)
            return self._after_trouble(redact(f"unexpected {type(error).__name__}: {error}"), epoch=epoch)
        if self._closing.is_set():
            return None
        if self._recorded:
            self._state = "ended"
            self._tell("ended", source.epoch)
            return None
        self._tell("lost", source.epoch, "the file is at its end and starts over")
        return 0.0

    def _watch(self, source: FrameSource) -> None:
        selector: FrameSelector | None = None
        still_before = self._still
        for frame in source.frames():
            if self._closing.is_set():
                return
            self._note(frame)
            if selector is None:
                selector = self._begin(frame)
            chosen = selector.select(frame)
            if chosen is not None and frame.id.seq >= self._start_seq:
                self._queue.put(chosen)
                self._bell.set()
            self._still = still_before + selector.still

    def _begin(self, first: Frame) -> FrameSelector:
        self._state = "watching"
        if self._trouble:
            self._reconnects += 1
            self._trouble = ""
        self._tell("connected", first.id.epoch)
        log.info("Camera is watched", camera=self._spec.name, epoch=first.id.epoch)
        return FrameSelector(
            fps=self._spec.detect_fps,
            started_ns=self._spec.started_ns if self._recorded else first.captured_ns,
            gate=MotionGate() if self._gated else None,
        )

    def _note(self, frame: Frame) -> None:
        self._decoded += 1
        self._watched = extend(
            self._watched, camera_id=self._spec.id, epoch=frame.id.epoch, captured_ns=frame.captured_ns
        )

    def _after_trouble(self, reason: str, *, epoch: str) -> float | None:
        if self._recorded:
            self._fail(reason)
            return None
        watched = self._watched if self._watched and self._watched.epoch == epoch else None
        if watched:
            log.warning("Camera was lost", camera=self._spec.name, reason=reason)
            self._tell("lost", epoch, reason)
            if watched.to_ns - watched.from_ns >= _STABLE_NS:
                self._backoff.reset()
        elif reason != self._trouble:
            log.warning("Camera cannot be reached", camera=self._spec.name, reason=reason)
            self._tell("refused", epoch, reason)
        self._trouble = reason
        return self._backoff.next_s()

    def _fail(self, reason: str) -> None:
        self._state = "failed"
        log.error("Camera cannot be watched", camera=self._spec.name, reason=reason)
        self._tell("failed", self._watched.epoch if self._watched else "", reason)

    def _tell(self, kind: FeedEventKind, epoch: str, reason: str = "") -> None:
        watched = self._watched if self._watched and self._watched.epoch == epoch else None
        # A recording's news bear the time of its frames, so that a second run of it tells the same.
        at_frame = watched if self._recorded or kind == "connected" else None
        occurred_ns = at_frame.to_ns if at_frame else self._clock_ns()
        self._queue.put(FeedEvent(kind=kind, epoch=epoch, occurred_ns=occurred_ns, reason=reason, watched=watched))
        self._bell.set()
