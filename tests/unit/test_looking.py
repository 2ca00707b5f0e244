"""Decoding, detecting and taking in at the same time, with sources and detectors made of nothing."""

import threading

import numpy as np
import pytest

from cluster.video.looking import look
from schema.errors import BadInput, SourceLost
from schema.events import Detections, Frame, FrameId
from schema.ports import DetectorSpec


class Grey:
    """A picture whose every pixel is its frame's number."""

    width, height = 8, 4

    def __init__(self, value: int) -> None:
        self._value = value

    def rgb(self, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), self._value, np.uint8)

    def luma(self, width: int, height: int) -> np.ndarray:
        return np.full((height, width), self._value, np.uint8)


class Numbers:
    """A source of numbered frames, 100 ms apart, that may fail after the last."""

    epoch = "e"

    def __init__(self, count: int, error: Exception | None = None, gate: threading.Event | None = None) -> None:
        self._count, self._error, self._gate = count, error, gate
        self.decoded = 0
        self.closed = False

    def frames(self):
        for seq in range(1, self._count + 1):
            if self.closed:
                return
            self.decoded = seq
            frame_id = FrameId(camera_id=1, epoch="e", seq=seq)
            yield Frame(id=frame_id, captured_ns=(seq - 1) * 100_000_000, picture=Grey(seq))
        if self._gate is not None:
            self._gate.set()
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed = True


class Reader:
    """Sees one person, whose score is the picture's first pixel."""

    spec = DetectorSpec(model="reader", width=2, height=2, keep_aspect=False)

    def __init__(self, gate: threading.Event | None = None, error: Exception | None = None) -> None:
        self._gate, self._error = gate, error

    def detect(self, batch, ids):
        if self._gate is not None:
            assert self._gate.wait(10)
        if self._error:
            raise self._error
        boxes = np.array([[0, 0, 1, 1]], np.float32)
        return [Detections(boxes=boxes, scores=picture[0, 0, :1] / np.float32(255)) for picture in batch]


def looked_at(source, detector, **how) -> list[int]:
    """Numbers of the frames that come out, each checked to come with what was seen in that very frame."""
    numbers = []
    for frame, observation in look(source, detector, **how):
        assert round(float(observation.detections.scores[0]) * 255) == frame.id.seq
        assert observation.frame == frame.id
        assert (observation.width_px, observation.height_px) == (8, 4)
        numbers.append(frame.id.seq)
    return numbers


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_every_frame_of_a_file_comes_out_in_order_with_what_was_seen_in_it(count):
    source = Numbers(count)
    assert looked_at(source, Reader()) == list(range(1, count + 1))
    assert source.closed


def test_a_file_waits_for_a_slow_detector_and_is_not_read_ahead_without_bound():
    source, gate = Numbers(1000), threading.Event()
    frames = look(source, Reader(gate))
    threading.Timer(0.2, gate.set).start()
    assert next(frames)[0].id.seq == 1
    assert source.decoded < 30
    frames.close()
    assert source.closed


def test_a_live_source_never_waits_and_its_newest_frames_are_seen_when_there_is_time():
    gate = threading.Event()
    source = Numbers(100, gate=gate)  # the detector answers only when all frames have passed
    numbers = looked_at(source, Reader(gate), live=True)
    assert numbers == [1, 2, 3, 4]
    assert source.decoded == 100


def test_frames_that_are_not_looked_at_keep_their_numbers():
    numbers = looked_at(Numbers(40), Reader(), detect_fps=5)  # of 10 a second
    assert len(numbers) in (20, 21)
    assert set(numbers) <= set(range(1, 41))


def test_what_the_source_raises_comes_after_the_frames_before_it():
    frames = look(Numbers(4, SourceLost("gone")), Reader())
    assert [next(frames)[0].id.seq for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(SourceLost, match="gone"):
        next(frames)


def test_what_the_detector_raises_ends_the_run_and_closes_the_source():
    source = Numbers(1000)
    with pytest.raises(BadInput, match="broken"):
        looked_at(source, Reader(error=BadInput("broken")))
    assert source.closed


def test_no_thread_is_left_when_the_caller_stops_early():
    before = threading.active_count()
    frames = look(Numbers(1000), Reader())
    next(frames)
    frames.close()
    assert threading.active_count() == before
