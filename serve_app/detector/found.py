"""What every detector agrees on: which scores are kept, which boxes are the same person, how a model is named."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from schema.errors import BadInput
from schema.events import Detections
from schema.ports import DetectorSpec

MIN_SCORE = 0.1
"""Weaker sightings are noise even to a tracker that takes weak ones second."""

SAME_PERSON_IOU = 0.7
"""Boxes that overlap more are one person; people who walk side by side overlap less."""

MAX_CANDIDATES = 1000
"""Boxes compared with each other per picture, strongest first: bounds the cost in a crowd."""

PERSON = "person"


def person_class(names: Mapping[int, str] | Sequence[str], model: str) -> int:
    """The number of the class called "person".

    Raises:
        BadInput: the model has no such class.
    """
    numbered = names.items() if isinstance(names, Mapping) else enumerate(names)
    for number, name in numbered:
        if name.strip().lower() == PERSON:
            return int(number)
    raise BadInput(f"model '{model}' has no class named '{PERSON}': give one that was trained to find people")


def check_pictures(batch: NDArray[np.uint8], spec: DetectorSpec) -> None:
    """Refuse a batch of another size than the model takes.

    Raises:
        ValueError: it is not uint8 (N, H, W, 3) with H and W as in ``spec``.
    """
    wanted = (spec.height, spec.width, 3)
    if batch.shape[1:] != wanted or batch.dtype != np.uint8:
        raise ValueError(f"pictures are {batch.dtype} {batch.shape[1:]}, the model wants uint8 {wanted}")


def model_name(path: Path) -> str:
    """What a model is called when nobody says: its file or folder without the endings that tools add."""
    return path.stem.removesuffix("_openvino_model")


def model_version(name: str, weights: Path) -> str:
    """Name and version of a model: the name, and eight hex digits of its weights' BLAKE2b hash."""
    digest = blake2b(digest_size=4)
    with weights.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"{name}@{digest.hexdigest()}"


def without_duplicates(boxes: NDArray[np.floating], scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """Greedy non-maximum suppression: keep a box unless a stronger kept one overlaps it.

    Args:
        boxes: float (N, 4): left, top, right, bottom, any unit.
        scores: float (N,).

    Returns:
        Indices of the boxes to keep, strongest first; of equals, the one given first.
    """
    if not len(boxes):
        return np.zeros(0, np.intp)
    left_top_size = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(left_top_size, scores.astype(np.float32), 0.0, SAME_PERSON_IOU, top_k=MAX_CANDIDATES)  # pyright: ignore[reportCallIssue, reportArgumentType]
    return np.asarray(kept, np.intp)


def detections(boxes: NDArray[np.floating], scores: NDArray[np.floating], model: str) -> Detections:
    """Make the value that leaves a detector: float32, contiguous, owning its memory."""
    return Detections(
        boxes=np.array(boxes, np.float32, order="C").reshape(-1, 4),
        scores=np.array(scores, np.float32).reshape(-1),
        model=model,
    )
