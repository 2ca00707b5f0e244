"""The Detector port on the Ultralytics package: any YOLO weights (``.pt``), and TensorRT engines (``.engine``).

With a GPU whole batches run on it in half precision. Without one, pictures run one by one, so that what is found in a
picture never depends on which others were in its batch.

``.pt`` files are pickled Python: loading one runs code of whoever made it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

# Read by the package when it is imported: no calls home, nothing installed behind the user's back, no chatter.
os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_VERBOSE", "false")

import numpy as np
import torch
from numpy.typing import NDArray
from ultralytics import YOLO

from schema.errors import BadInput
from schema.events import Detections, FrameId
from schema.ports import DetectorSpec
from serve_app.detector.found import (
    MIN_SCORE,
    SAME_PERSON_IOU,
    check_pictures,
    detections,
    model_name,
    model_version,
    person_class,
)

_MAX_PEOPLE = 300
_HALF = 16


class UltralyticsDetector:
    """Finds people with Ultralytics; on CUDA in half precision when there is a GPU, else on the CPU."""

    def __init__(self, path: Path) -> None:
        """Load weights.

        Raises:
            BadInput: the file is not a detection model that finds people, or is an engine and there is no GPU.
        """
        self._cuda = torch.cuda.is_available()
        if path.suffix == ".engine" and not self._cuda:
            raise BadInput(
                f"model '{path}' is a TensorRT engine and this machine has no GPU: give .pt or OpenVINO weights"
            )
        try:
            self._model = YOLO(path, task="detect" if path.suffix == ".engine" else None)
            names, task = self._model.names, self._model.task
        except Exception as exc:
            raise BadInput(f"'{path}' cannot be read as YOLO weights: its file is damaged or of another kind") from exc
        if task != "detect":
            raise BadInput(f"model '{path}' is made for '{task}': give a detection model")
        self._person = person_class(names, str(path))
        height, width = _input_size(self._model)
        self._spec = DetectorSpec(
            model=model_version(model_name(path), path), width=width, height=height, keep_aspect=True
        )
        self._one_at_a_time = Lock()  # the package keeps the picture it is working on in the model object

    @property
    def spec(self) -> DetectorSpec:
        """What ``detect`` wants to be given."""
        return self._spec

    def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> list[Detections]:  # noqa: ARG002
        """Find people in a batch; see ``schema.ports.Detector``.

        Raises:
            ValueError: the pictures are not of the size in ``spec``.
        """
        check_pictures(batch, self._spec)
        if not len(batch):
            return []
        step = len(batch) if self._cuda else 1
        with self._one_at_a_time:
            return [each for start in range(0, len(batch), step) for each in self._predict(batch[start : start + step])]

    def _predict(self, batch: NDArray[np.uint8]) -> list[Detections]:
        pictures = torch.from_numpy(np.array(batch))  # a copy: torch refuses read-only memory
        pictures = pictures.to("cuda" if self._cuda else "cpu").permute(0, 3, 1, 2).float().div_(255.0)
        results = self._model.predict(
            pictures,
            imgsz=[self._spec.height, self._spec.width],
            conf=MIN_SCORE,
            iou=SAME_PERSON_IOU,
            classes=[self._person],
            max_det=_MAX_PEOPLE,
            device=0 if self._cuda else "cpu",
            quantize=_HALF if self._cuda else None,
            verbose=False,
        )
        return [_people(result, self._spec.model) for result in results]


def _people(result: Any, model: str) -> Detections:
    boxes = result.boxes
    return detections(boxes.xyxyn.cpu().numpy(), boxes.conf.cpu().numpy(), model)


def _input_size(model: YOLO) -> tuple[int, int]:
    """Height and width the weights were trained at; 640 where they do not say, as for engines."""
    size = model.overrides.get("imgsz") or 640
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return int(height), int(width)
