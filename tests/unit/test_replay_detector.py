"""Detections that were made earlier, looked up by frame number."""

import numpy as np
import pytest

from schema.errors import BadInput
from schema.events import FrameId
from serve_app.detector.replay import ReplayDetector

PIXEL = np.zeros((1, 1, 1, 3), np.uint8)


def replay(tmp_path, text: str) -> ReplayDetector:
    (tmp_path / "det.txt").write_text(text)
    return ReplayDetector(tmp_path / "det.txt", width_px=100, height_px=50)


def look(detector: ReplayDetector, seq: int):
    return detector.detect(PIXEL, [FrameId(camera_id=1, epoch="e", seq=seq)])[0]


def test_boxes_become_fractions_of_the_picture(tmp_path):
    found = look(replay(tmp_path, "3,-1,10,5,20,25,0.75\n"), 3)
    np.testing.assert_allclose(found.boxes, [[0.1, 0.1, 0.3, 0.6]], atol=1e-6)
    np.testing.assert_allclose(found.scores, [0.75])
    assert found.model == "replay:det.txt"


def test_a_frame_that_the_file_does_not_name_has_nobody_in_it(tmp_path):
    assert len(look(replay(tmp_path, "3,-1,10,5,20,25,0.75\n"), 2).scores) == 0


def test_noise_below_a_tenth_is_left_out(tmp_path):
    assert len(look(replay(tmp_path, "1,-1,10,5,20,25,0.05\n"), 1).scores) == 0


def test_the_last_frame_is_known_even_when_its_boxes_are_noise(tmp_path):
    assert replay(tmp_path, "1,-1,1,1,2,2,0.9\n9,-1,1,1,2,2,0.01\n").last_frame == 9


def test_confidences_that_are_not_fractions_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"confidences outside 0\.\.1"):
        replay(tmp_path, "1,-1,10,5,20,25,87\n")
