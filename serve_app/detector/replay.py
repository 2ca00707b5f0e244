"""The Detector port on a file of detections made earlier, by anyone, in MOTChallenge form."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schema.errors import BadInput
from schema.events import Detections, FrameId
from schema.mot import read_mot
from schema.ports import DetectorSpec
from serve_app.detector.found import MIN_SCORE, detections


class ReplayDetector:
    """Answers with what a MOTChallenge file says about the frame of that number (``FrameId.seq``, from 1).

    It does not look at the picture, and so asks for the smallest there is: one pixel.
    """

    def __init__(self, path: Path, *, width_px: int, height_px: int) -> None:
        """Read the whole file.

        Args:
            path: a MOTChallenge file, boxes in pixels.
            width_px: width of the picture that the boxes are for.
            height_px: height of that picture.

        Raises:
            BadInput: the file is missing or of another form, or its confidences are not in 0..1.
        """
        rows = read_mot(path)
        if rows.conf.min() < 0 or rows.conf.max() > 1:
            raise BadInput(f"'{path}' has confidences outside 0..1: scale its seventh column to 0..1")
        name = f"replay:{path.name}"
        self._spec = DetectorSpec(model=name, width=1, height=1, keep_aspect=False)
        self._nobody = Detections.none(name)
        size = np.array([width_px, height_px, width_px, height_px], np.float64)
        seen = rows.rows(rows.conf >= MIN_SCORE)
        frames, starts = np.unique(seen.frame, return_index=True)
        ends = np.append(starts, len(seen.frame))[1:]
        self._by_frame = {
            int(frame): detections(seen.boxes[start:end] / size, seen.conf[start:end], name)
            for frame, start, end in zip(frames, starts, ends, strict=True)
        }
        self.last_frame = int(rows.frame[-1])
        """Number of the last frame that the file speaks of."""

    @property
    def spec(self) -> DetectorSpec:
        """What ``detect`` wants to be given."""
        return self._spec

    def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> list[Detections]:  # noqa: ARG002
        """Look the frames up; a frame that the file does not name has nobody in it."""
        return [self._by_frame.get(frame.seq, self._nobody) for frame in ids]
