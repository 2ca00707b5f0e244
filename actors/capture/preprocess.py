"""From a picture to what a detector wants to be given, and from its answer back to the picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schema.events import Detections
from schema.picture import Picture
from schema.ports import DetectorSpec

_PADDING = 114
"""The grey around letterboxed pictures that YOLO models are trained with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Letterbox:
    """Where the picture lies in the detector's input, as fractions of that input."""

    left: float
    top: float
    width: float
    height: float

    def to_picture(self, detections: Detections) -> Detections:
        """Boxes of the detector's input as boxes of the picture, clipped to 0..1."""
        origin = np.array([self.left, self.top, self.left, self.top], np.float32)
        extent = np.array([self.width, self.height, self.width, self.height], np.float32)
        boxes = np.clip((detections.boxes - origin) / extent, 0.0, 1.0)
        return Detections(boxes=boxes, scores=detections.scores, model=detections.model)


def letterbox(picture: Picture, spec: DetectorSpec, out: NDArray[np.uint8]) -> Letterbox:
    """Write a picture into one slot of a batch.

    With ``spec.keep_aspect`` the picture is scaled to fit, centred, and the rest is grey; without, it is stretched.

    Args:
        picture: what to write.
        spec: the detector's input; its ``width`` and ``height`` in pixels are those of ``out``.
        out: uint8 (height, width, 3), overwritten with RGB.

    Returns:
        How to map the detector's boxes back.
    """
    width, height = spec.width, spec.height
    if spec.keep_aspect:
        scale = min(spec.width / picture.width, spec.height / picture.height)
        width = max(1, min(spec.width, round(picture.width * scale)))
        height = max(1, min(spec.height, round(picture.height * scale)))
    left, top = (spec.width - width) // 2, (spec.height - height) // 2
    out[:top] = _PADDING
    out[top + height :] = _PADDING
    out[top : top + height, :left] = _PADDING
    out[top : top + height, left + width :] = _PADDING
    out[top : top + height, left : left + width] = picture.rgb(width, height)
    return Letterbox(
        left=left / spec.width, top=top / spec.height, width=width / spec.width, height=height / spec.height
    )
