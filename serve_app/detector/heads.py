"""Reads people out of a network's raw output. Pure numpy, about 0.1 ms a picture.

Only the person class is looked at, and weak anchors go first: of YOLO's 8400 a few hundred are left before anything
is computed for them.
"""

import numpy as np
from numpy.typing import NDArray

from serve_app.detector.found import MIN_SCORE, without_duplicates

Found = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Boxes (N, 4) left, top, right, bottom, normalised to the network's input; scores (N,). Strongest first."""


def read_grid(output: NDArray[np.floating], person: int, width_px: int, height_px: int) -> Found:
    """Read the head of YOLOv8 and YOLO11: one column an anchor, duplicates included.

    Args:
        output: float (4 + classes, anchors): centre x, centre y, width, height in pixels, then a score a class.
        person: number of the person class.
        width_px: width of the network's input.
        height_px: height of the network's input.
    """
    likely = np.flatnonzero(output[4 + person] >= MIN_SCORE)
    scores = output[4 + person, likely]
    x, y, half_width, half_height = output[:4, likely] * np.array([[1.0], [1.0], [0.5], [0.5]], np.float32)
    boxes = np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)
    kept = without_duplicates(boxes, scores)
    return boxes[kept] / _size(width_px, height_px), scores[kept]


def read_rows(output: NDArray[np.floating], person: int, width_px: int, height_px: int) -> Found:
    """Read the head of YOLOv10, YOLO26 and exports with built-in suppression: one row a detection, no duplicates.

    Args:
        output: float (rows, 6): left, top, right, bottom in pixels, score, class number.
        person: number of the person class.
        width_px: width of the network's input.
        height_px: height of the network's input.
    """
    people = output[(output[:, 4] >= MIN_SCORE) & (output[:, 5] == person)]
    people = people[np.argsort(-people[:, 4], kind="stable")]
    return people[:, :4] / _size(width_px, height_px), people[:, 4]


def read_ssd(
    boxes: NDArray[np.floating], classes: NDArray[np.floating], scores: NDArray[np.floating], person: int
) -> Found:
    """Read the outputs of a TensorFlow object detection graph, which has suppressed duplicates itself.

    Args:
        boxes: float (N, 4): top, left, bottom, right, normalised.
        classes: float (N,): class numbers.
        scores: float (N,).
        person: number of the person class.
    """
    people = np.flatnonzero((scores >= MIN_SCORE) & (classes == person))
    people = people[np.argsort(-scores[people], kind="stable")]
    return boxes[people][:, [1, 0, 3, 2]], scores[people]


def _size(width_px: int, height_px: int) -> NDArray[np.float32]:
    return np.array([width_px, height_px, width_px, height_px], np.float32)
