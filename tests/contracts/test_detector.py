"""What every detector promises, over every engine."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from schema.events import FrameId
from schema.ports import Detector
from serve_app.detector.choose import open_detector
from serve_app.detector.replay import ReplayDetector
from tests.contracts import detector_models as models

ENGINES = ["openvino-yolo", "openvino-onnx", "openvino-end-to-end", "ssdlite", "ultralytics", "replay"]


@pytest.fixture(scope="module")
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return _open(request.param, tmp_path_factory.mktemp("models"))


def _open(engine: str, folder: Path) -> Detector:
    if engine == "openvino-yolo":
        return open_detector(str(models.need(models.YOLO_INT8)))
    if engine == "ssdlite":
        return open_detector(models.need_ssdlite())
    if engine == "replay":
        lines = [f"{frame},-1,{10 * frame},20,30,60,0.{frame}" for frame in range(1, 10)]
        (folder / "det.txt").write_text("\n".join(lines))
        return ReplayDetector(folder / "det.txt", width_px=200, height_px=100)
    with warnings.catch_warnings(action="ignore"):  # of the exporters
        if engine == "openvino-onnx":
            weights = models.untrained_yolo(folder)
            return open_detector(str(models.exported(weights, format="onnx", dynamic=True, simplify=False)))
        if engine == "openvino-end-to-end":
            weights = models.untrained_yolo(folder, architecture="yolo26n")
            return open_detector(str(models.exported(weights, format="openvino", nms=False)))
        return open_detector(str(models.untrained_yolo(folder)))


def pictures(detector: Detector, count: int) -> tuple[np.ndarray, list[FrameId]]:
    spec = detector.spec
    batch = np.random.default_rng(7).integers(0, 256, (count, spec.height, spec.width, 3), np.uint8)
    return batch, [FrameId(camera_id=1, epoch="e", seq=number) for number in range(1, count + 1)]


def same(found, expected) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


every_engine = pytest.mark.parametrize("detector", ENGINES, indirect=True)


@every_engine
def test_each_picture_gets_one_answer_that_names_the_model(detector):
    found = detector.detect(*pictures(detector, 3))
    assert len(found) == 3
    assert {one.model for one in found} == {detector.spec.model}


@every_engine
def test_scores_are_kept_down_to_a_tenth_and_boxes_have_a_size(detector):
    for one in detector.detect(*pictures(detector, 3)):
        assert one.boxes.dtype == one.scores.dtype == np.float32
        assert ((one.scores >= 0.1) & (one.scores <= 1)).all()
        assert (one.boxes[:, 2:] >= one.boxes[:, :2]).all()
        assert np.abs(one.boxes).max(initial=0) < 2  # fractions, not pixels


@every_engine
def test_an_empty_batch_gives_no_answers(detector):
    batch, _ = pictures(detector, 1)
    assert detector.detect(batch[:0], []) == []


@every_engine
def test_what_is_found_does_not_depend_on_the_rest_of_the_batch(detector):
    batch, ids = pictures(detector, 5)
    alone = [detector.detect(batch[k : k + 1], ids[k : k + 1])[0] for k in range(5)]
    same(detector.detect(batch, ids), alone)


@every_engine
def test_threads_that_call_at_once_each_get_their_own_answers(detector):
    batch, ids = pictures(detector, 6)
    expected = detector.detect(batch, ids)
    with ThreadPoolExecutor(3) as pool:
        turns = [pool.submit(detector.detect, batch[k : k + 3], ids[k : k + 3]) for k in (0, 3, 1, 2, 0, 3)]
        for start, turn in zip((0, 3, 1, 2, 0, 3), turns, strict=True):
            same(turn.result(60), expected[start : start + 3])


@every_engine
def test_memory_that_may_only_be_read_is_fine(detector):
    batch, ids = pictures(detector, 2)
    expected = detector.detect(batch, ids)
    batch.flags.writeable = False
    same(detector.detect(batch, ids), expected)


@every_engine
def test_the_answer_stays_when_the_batch_is_used_again(detector):
    batch, ids = pictures(detector, 2)
    expected = detector.detect(batch.copy(), ids)
    found = detector.detect(batch, ids)
    batch[:] = 0
    detector.detect(batch, ids)
    same(found, expected)


@pytest.mark.parametrize("detector", [engine for engine in ENGINES if engine != "replay"], indirect=True)
def test_pictures_of_another_size_are_refused(detector):
    with pytest.raises(ValueError, match="the model wants uint8"):
        detector.detect(np.zeros((1, 8, 8, 3), np.uint8), [FrameId(camera_id=1, epoch="e", seq=1)])
