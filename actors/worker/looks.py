"""Batches on their way through the detector: asked in several threads, answered in the order they were asked."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_random_exponential
from tenacity.nap import sleep_using_event

from actors.capture.feed import FeedEvent
from actors.capture.preprocess import Letterbox, letterbox
from actors.worker.watch import Watch
from schema.errors import Retryable
from schema.events import Detections, Frame
from schema.ports import Detector, DetectorSpec

log = structlog.get_logger(__name__)

IN_FLIGHT = 3
"""Batches at the detector at once: one being looked at, one waiting there, one being scaled or told about."""
_LONGEST_WAIT_S = 2.0


@dataclass(kw_only=True, slots=True)
class Look:
    """One batch: frames and news of cameras in order, and what the detector will say about the frames."""

    items: Sequence[tuple[Watch, Frame | FeedEvent]]
    answer: Future[dict[int, Detections]] = field(default_factory=Future)
    """By place in ``items``, boxes normalised to the camera's picture. Still and unreadable frames have none."""


class Looks:
    """At most ``IN_FLIGHT`` batches; asking when full is refused by ``has_room``, so cameras wait or drop by policy.

    While the detector does not answer, each batch is asked again with back-off until it does.
    """

    def __init__(self, detector: Detector, *, limit: int, pool: Executor, ring: Callable[[], None]) -> None:
        """Ask the detector in the threads of a pool.

        Args:
            detector: safe to be called from several threads.
            limit: frames in a batch at most.
            pool: where letterboxing and waiting happen; ``IN_FLIGHT`` threads are enough.
            ring: called from any thread when an answer is there.
        """
        self.trouble = ""
        self.retries = 0
        self._detector = detector
        self._limit = limit
        self._pool = pool
        self._ring = ring
        self._stopping = threading.Event()
        self._asked: deque[Look] = deque()
        self._buffers: deque[NDArray[np.uint8]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether another batch may be asked now."""
        return len(self._asked) < IN_FLIGHT

    @property
    def idle(self) -> bool:
        """Whether no batch is on its way."""
        return not self._asked

    def ask(self, items: Sequence[tuple[Watch, Frame | FeedEvent]]) -> None:
        """Send a batch on its way."""
        look = Look(items=items)
        self._asked.append(look)
        frames = {place: item for place, (_, item) in enumerate(items) if isinstance(item, Frame) and not item.still}
        if not frames:
            look.answer.set_result({})
            return
        look.answer = self._pool.submit(self._answer, frames)
        look.answer.add_done_callback(lambda _: self._ring())

    def next_answered(self) -> Look | None:
        """The oldest batch, once its answer is there."""
        return self._asked.popleft() if self._asked and self._asked[0].answer.done() else None

    def stop(self) -> None:
        """Give up waiting for the detector."""
        self._stopping.set()

    def _answer(self, frames: dict[int, Frame]) -> dict[int, Detections]:
        retrying = Retrying(
            retry=retry_if_exception_type(Retryable),
            wait=wait_random_exponential(multiplier=0.05, max=_LONGEST_WAIT_S),
            stop=stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
            before_sleep=self._note_trouble,
            reraise=True,
        )
        found = retrying(self._look, frames)
        self.trouble = ""
        return found

    def _look(self, frames: dict[int, Frame]) -> dict[int, Detections]:
        # The model may have changed since the last attempt, and with it the size of its input: scale anew.
        spec = self._detector.spec
        images = self._buffer(spec)
        scaled: dict[int, Letterbox] = {}
        for place, frame in frames.items():
            try:
                scaled[place] = letterbox(frame.picture, spec, images[len(scaled)])
            except (ValueError, MemoryError, OSError) as error:
                log.warning("Frame could not be scaled", camera=frame.id.camera_id, seq=frame.id.seq, error=str(error))
        try:
            ids = [frames[place].id for place in scaled]
            found = self._detector.detect(images[: len(ids)], ids) if ids else []
        finally:
            self._buffers.append(images)
        answered = zip(scaled.items(), found, strict=True)
        return {place: box.to_picture(detections) for (place, box), detections in answered}

    def _buffer(self, spec: DetectorSpec) -> NDArray[np.uint8]:
        shape = (self._limit, spec.height, spec.width, 3)
        with suppress(IndexError):
            buffer = self._buffers.popleft()
            if buffer.shape == shape:
                return buffer
        return np.empty(shape, np.uint8)

    def _note_trouble(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        self.retries += 1
        if not self.trouble:
            log.warning("Detector does not answer, asking again", error=str(error))
        self.trouble = str(error)
