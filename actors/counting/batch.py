"""Observations of several cameras as flat arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.counting.matching import Bools, Floats, Ints
from schema.events import Observation


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What was seen in one frame of some cameras, each at its own time.

    Arrays (S,) have one entry a camera slot, meaningful where ``active``: time and number of the frame, the picture's
    width over its height, index of the first detection and how many there are. Arrays of length D are the detections,
    those of a camera together: ``boxes`` float64 (D, 4) are left, top, right, bottom in picture heights.
    """

    active: Bools
    now_ns: Ints
    seq: Ints
    aspect: Floats
    first: Ints
    count: Ints
    slot: Ints
    boxes: Floats
    scores: Floats


def gather(observations: Sequence[Observation], slots: Sequence[int], size: int) -> Batch:
    """Lay out the observations of the camera slots ``slots``, which are distinct and below ``size``.

    Boxes without area or with coordinates that are not numbers stay in place with score 0, so nobody uses them.
    """
    at = np.array(slots, np.int64)
    lengths = np.array([len(each.detections.scores) for each in observations], np.int64)
    active = np.zeros(size, np.bool_)
    now_ns, seq, first, count = np.zeros((4, size), np.int64)
    aspect = np.ones(size)
    active[at] = True
    now_ns[at] = [each.captured_ns for each in observations]
    seq[at] = [each.frame.seq for each in observations]
    aspect[at] = [each.width_px / each.height_px for each in observations]
    count[at], first[at] = lengths, np.cumsum(lengths) - lengths
    slot = np.repeat(at, lengths)
    boxes = np.zeros((len(slot), 4))
    scores = np.zeros(len(slot))
    if observations:
        np.concatenate([each.detections.boxes for each in observations], out=boxes)
        np.concatenate([each.detections.scores for each in observations], out=scores)
    usable = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    usable &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes[~usable], scores[~usable] = (0.0, 0.0, 1.0, 1.0), 0.0
    boxes[:, 0] *= aspect[slot]
    boxes[:, 2] *= aspect[slot]
    return Batch(
        active=active,
        now_ns=now_ns,
        seq=seq,
        aspect=aspect,
        first=first,
        count=count,
        slot=slot,
        boxes=boxes,
        scores=scores,
    )
