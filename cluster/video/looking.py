"""Decodes, scales and detects at the same time, and gives what was seen in order of frames.

::

    decoder thread                 detector threads            caller
    decode, letterbox into a  ──►  detect a batch each,   ──►  boxes of the picture,
    free batch (bounded)           several at once             frame by frame

A batch is used again when the caller is done with it. Files wait for a free batch, so every frame is looked at;
live sources do not wait: while no batch is free their frames are skipped, and the next one looked at is a new one.
"""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from actors.capture.preprocess import Letterbox, letterbox
from actors.capture.timeline import FrameSampler
from schema.events import Detections, Frame, Observation
from schema.ports import Detector, FrameSource

_FILE_BATCH = 2
_LIVE_BATCH = 1
_BATCHES = 4
"""One being filled, three at the detector: enough that none of its threads waits for Python."""


@dataclass(kw_only=True, slots=True)
class _Batch:
    """A batch on its way round: pictures, whose they are, and what the detector will say."""

    pictures: NDArray[np.uint8]
    frames: list[Frame] = field(default_factory=list)
    places: list[Letterbox] = field(default_factory=list)
    answer: Future[list[Detections]] | None = None


def look(
    source: FrameSource, detector: Detector, *, detect_fps: float | None = None, live: bool = False
) -> Generator[tuple[Frame, Observation]]:
    """Give each frame that is looked at, and what is seen in it, in order; closes the source at the end.

    Args:
        source: where frames come from.
        detector: who looks at them.
        detect_fps: how many a second of the source's time are looked at; None means all.
        live: skip frames that there is no time for, instead of letting the source wait.

    Raises:
        SourceLost: a live source went silent or broke.
        BadInput: a file is not readable as video.
    """
    belt = _Belt(source, detector, FrameSampler(fps=detect_fps, started_ns=0), live=live)
    decoder = threading.Thread(target=belt.fill, name="decoder")
    decoder.start()
    try:
        yield from belt.empty()
    finally:
        belt.stop()
        source.close()
        decoder.join()
        belt.detecting.shutdown()


class _Belt:
    """The batches that go round between the decoder, the detector and the caller."""

    def __init__(self, source: FrameSource, detector: Detector, sampler: FrameSampler, *, live: bool) -> None:
        self._source = source
        self._detector = detector
        self._sampler = sampler
        self._live = live
        self._stopped = False
        self._spec = detector.spec
        self._size = _LIVE_BATCH if live else _FILE_BATCH
        self.detecting = ThreadPoolExecutor(_BATCHES - 1, thread_name_prefix="detect")
        # Both are bounded by the number of batches. None in ``_free`` ends the decoder, in ``_filled`` the caller.
        self._free: SimpleQueue[_Batch | None] = SimpleQueue()
        self._filled: SimpleQueue[_Batch | BaseException | None] = SimpleQueue()
        for _ in range(_BATCHES):
            shape = (self._size, self._spec.height, self._spec.width, 3)
            self._free.put(_Batch(pictures=np.empty(shape, np.uint8)))

    def stop(self) -> None:
        """Let the decoder end at its next frame."""
        self._stopped = True
        self._free.put(None)

    def fill(self) -> None:
        """Run the decoder until the source ends; what it raises is passed on to the caller."""
        try:
            self._fill()
        except BaseException as error:  # noqa: BLE001 - raised again by ``empty``, in the caller's thread
            self._filled.put(error)
        else:
            self._filled.put(None)

    def _fill(self) -> None:
        batch: _Batch | None = None
        for frame in self._source.frames():
            if self._stopped:
                return
            if not self._sampler.due(frame.captured_ns):
                continue
            if batch is None:
                batch = self._free_batch()
                if batch is None:
                    continue
            slot = batch.pictures[len(batch.frames)]
            batch.places.append(letterbox(frame.picture, self._spec, slot))
            batch.frames.append(frame)
            if len(batch.frames) == self._size:
                self._submit(batch)
                batch = None
        if batch is not None:
            self._submit(batch)

    def _free_batch(self) -> _Batch | None:
        try:
            return self._free.get(block=not self._live)
        except Empty:
            return None

    def _submit(self, batch: _Batch) -> None:
        ids = [frame.id for frame in batch.frames]
        batch.answer = self.detecting.submit(self._detector.detect, batch.pictures[: len(ids)], ids)
        self._filled.put(batch)

    def empty(self) -> Iterator[tuple[Frame, Observation]]:
        """Give what was seen, and each batch back when it has been taken in."""
        while (batch := self._filled.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            assert batch.answer is not None, "only submitted batches are filled"  # noqa: S101 - for the type checker
            found = batch.answer.result()
            for frame, place, detections in zip(batch.frames, batch.places, found, strict=True):
                yield frame, _observation(frame, place.to_picture(detections))
            self._free.put(_Batch(pictures=batch.pictures))


def _observation(frame: Frame, detections: Detections) -> Observation:
    return Observation(
        frame=frame.id,
        captured_ns=frame.captured_ns,
        width_px=frame.picture.width,
        height_px=frame.picture.height,
        detections=detections,
    )
