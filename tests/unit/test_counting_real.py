"""The counts on real detections, against ground truth: Faster R-CNN's public ones of PETS09-S2L1."""

from pathlib import Path

import numpy as np
import pytest

from actors.counting.accuracy import evaluate
from actors.counting.session import CountingSession
from schema.events import Crossing, Detections, FrameId, Observation
from schema.geometry import Scene, parse_line
from schema.mot import MotFile, read_mot

SEQUENCE = Path(__file__).parents[3] / "shared/data/mot15/PETS09-S2L1"
WIDTH, HEIGHT, FRAMES = 768, 576, 795
NINE = tuple(
    map(
        parse_line,
        (
            "v3=.3,0,.3,1",
            "v5=.5,0,.5,1",
            "v7=.7,0,.7,1",
            "h4=0,.4,1,.4",
            "h5=0,.5,1,.5",
            "h6=0,.6,1,.6",
            "h7=0,.7,1,.7",
            "d1=.2,.2,.8,.9",
            "d2=.8,.2,.2,.9",
        ),
    )
)
OTHERS = tuple(map(parse_line, ("v4=.4,0,.4,1", "v6=.6,0,.6,1", "h45=0,.45,1,.45", "e1=.1,.3,.9,.7", "e2=.9,.3,.1,.7")))


def read(name: str) -> MotFile:
    if not SEQUENCE.exists():
        pytest.skip(f"{SEQUENCE} is not here")
    return read_mot(SEQUENCE / name)


def crossings(fps: float, every: int = 1) -> list[Crossing]:
    session = CountingSession()
    session.open(1, "e", Scene(lines=NINE + OTHERS))
    found: list[Crossing] = []
    for number, rows in read("det.txt").by_frame(FRAMES):
        if (number - 1) % every == 0:
            seen = Detections(
                boxes=(rows.boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32),
                scores=rows.conf.astype(np.float32),
            )
            frame = FrameId(camera_id=1, epoch="e", seq=number)
            at_ns = round((number - 1) / fps * 1e9)
            found += session.advance(
                [Observation(frame=frame, captured_ns=at_ns, width_px=WIDTH, height_px=HEIGHT, detections=seen)]
            )
    return found + session.close(1)


@pytest.mark.parametrize("fps", [7, 10])
def test_public_detections_count_right_at_the_true_frame_rate_and_at_the_one_in_the_header(fps: float):
    result = evaluate(crossings(fps), read("gt.txt"), NINE, width_px=WIDTH, height_px=HEIGHT, within_frames=14)
    assert result.pooled.must == 188
    assert result.pooled.f1 >= 0.96
    assert result.pooled.error <= 0.08


def test_other_lines_and_half_the_frames_are_nearly_as_good():
    truth = read("gt.txt")
    for lines, every in ((OTHERS, 1), (NINE, 2)):
        result = evaluate(crossings(7, every), truth, lines, width_px=WIDTH, height_px=HEIGHT, within_frames=14)
        assert result.pooled.f1 >= 0.93
