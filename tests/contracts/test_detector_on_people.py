"""Detectors on real people: found where the ground truth says, and where Ultralytics itself finds them."""

import cv2
import numpy as np
import pytest

from actors.capture.preprocess import letterbox
from schema.events import Detections, Frame
from schema.mot import read_mot
from serve_app.detector.choose import open_detector
from tests.clips import vtest
from tests.contracts import detector_models as models

SIZE = np.array([768, 576, 768, 576])


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Every 60th frame of the demo's video."""
    from actors.capture.sources import FileSource

    source = FileSource(vtest(), 1, 0)
    return [frame for frame in source.frames() if frame.id.seq % 60 == 0]


def found_in(detector, frames: list[Frame]) -> list[Detections]:
    batch = np.empty((len(frames), detector.spec.height, detector.spec.width, 3), np.uint8)
    places = [letterbox(frame.picture, detector.spec, slot) for frame, slot in zip(frames, batch, strict=True)]
    answers = detector.detect(batch, [frame.id for frame in frames])
    return [place.to_picture(answer) for place, answer in zip(places, answers, strict=True)]


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of ``a`` with every one of ``b``."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b))
    return shared / (area_a[:, None] + area_b[None] - shared)


@pytest.mark.parametrize(("model", "recall", "precision"), [("yolo", 0.85, 0.9), ("ssdlite", 0.55, 0.7)])
def test_real_people_are_found_where_they_are(frames, model, recall, precision):
    truth = read_mot(models.need(models.GROUND_TRUTH))
    name = models.need_ssdlite() if model == "ssdlite" else str(models.need(models.YOLO_INT8))
    people = hits = sightings = right = 0
    for frame, found in zip(frames, found_in(open_detector(name), frames), strict=True):
        boxes = truth.boxes[truth.frame == frame.id.seq] / SIZE
        sure = found.boxes[found.scores >= 0.3]
        match = overlaps(boxes, sure) >= 0.5
        people, hits = people + len(boxes), hits + match.any(axis=1).sum()
        sightings, right = sightings + len(sure), right + match.any(axis=0).sum()
    assert hits / people >= recall
    assert right / sightings >= precision


def test_openvino_called_directly_finds_what_ultralytics_finds(frames):
    from serve_app.detector.ultralytics import YOLO

    folder = models.need(models.YOLO_INT8)
    detector = open_detector(str(folder))
    peer = YOLO(folder, task="detect")
    for frame in frames[:4]:
        picture = np.empty((1, 640, 640, 3), np.uint8)
        letterbox(frame.picture, detector.spec, picture[0])
        ours = detector.detect(picture, [frame.id])[0]
        theirs = peer.predict(
            cv2.cvtColor(picture[0], cv2.COLOR_RGB2BGR), conf=0.1, iou=0.7, classes=[0], device="cpu", verbose=False
        )[0].boxes
        assert len(ours.scores) == len(theirs)
        order = np.argsort(-theirs.conf.numpy(), kind="stable")
        np.testing.assert_allclose(ours.scores, theirs.conf.numpy()[order], atol=0.02)
        np.testing.assert_allclose(ours.boxes, theirs.xyxyn.numpy()[order], atol=0.005)
