"""Pictures go into a detector's input, and boxes come back to where they were in the picture."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.capture.preprocess import letterbox
from schema.events import Detections
from schema.ports import DetectorSpec


@dataclass(frozen=True, kw_only=True)
class Plain:
    """A picture of one colour."""

    width: int
    height: int

    def rgb(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.full((height, width, 3), 7, np.uint8)

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.full((height, width), 7, np.uint8)


def spec(*, keep_aspect: bool = True, width: int = 640, height: int = 640) -> DetectorSpec:
    return DetectorSpec(model="test", width=width, height=height, keep_aspect=keep_aspect)


def people(*boxes: tuple[float, float, float, float]) -> Detections:
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4), scores=np.full(len(boxes), 0.5, np.float32), model="m"
    )


def test_a_wide_picture_lies_between_grey_bars_above_and_below() -> None:
    out = np.zeros((640, 640, 3), np.uint8)
    letterbox(Plain(width=1920, height=1080), spec(), out)
    assert (out[:140] == 114).all()
    assert (out[140:500] == 7).all()
    assert (out[500:] == 114).all()


def test_a_tall_picture_lies_between_grey_bars_left_and_right() -> None:
    out = np.zeros((640, 640, 3), np.uint8)
    letterbox(Plain(width=540, height=960), spec(), out)
    assert (out[:, :140] == 114).all()
    assert (out[:, 140:500] == 7).all()
    assert (out[:, 500:] == 114).all()


def test_without_keep_aspect_the_picture_fills_the_input() -> None:
    out = np.zeros((300, 300, 3), np.uint8)
    box = letterbox(Plain(width=768, height=576), spec(keep_aspect=False, width=300, height=300), out)
    assert (out == 7).all()
    found = people((0.1, 0.2, 0.3, 0.4))
    assert box.to_picture(found).boxes == pytest.approx(found.boxes)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (768, 576), (540, 960), (640, 640), (1, 2000), (333, 77)])
def test_boxes_return_to_where_they_were(width: int, height: int) -> None:
    out = np.zeros((640, 640, 3), np.uint8)
    box = letterbox(Plain(width=width, height=height), spec(), out)
    wanted = np.array([[0.0, 0.0, 1.0, 1.0], [0.25, 0.5, 0.5, 0.75]], np.float32)
    inside = wanted * [box.width, box.height, box.width, box.height] + [box.left, box.top, box.left, box.top]
    back = box.to_picture(people(*map(tuple, inside)))
    assert back.boxes == pytest.approx(wanted, abs=1e-4)
    assert back.boxes.dtype == np.float32


def test_boxes_that_reach_into_the_bars_are_clipped_to_the_picture() -> None:
    out = np.zeros((640, 640, 3), np.uint8)
    box = letterbox(Plain(width=1920, height=1080), spec(), out)
    assert box.to_picture(people((0.0, 0.0, 1.0, 1.0))).boxes.tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_nobody_stays_nobody() -> None:
    out = np.zeros((640, 640, 3), np.uint8)
    back = letterbox(Plain(width=64, height=48), spec(), out).to_picture(Detections.none("m"))
    assert back.boxes.shape == (0, 4)
    assert back.model == "m"
