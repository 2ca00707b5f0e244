"""Which detection belongs to which track, for all cameras at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def pairs(tracks_slot: Ints, first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """List every (track, detection) pair of the same camera.

    Args:
        tracks_slot: int (T,), camera slot of each track.
        first: int (S,), index of the first detection of each camera slot; a camera's detections lie together.
        count: int (S,), how many detections each camera slot has.

    Returns:
        Two int arrays (P,): indices of tracks and of detections, ordered by track, then by detection.
    """
    per_track = count[tracks_slot]
    track = np.repeat(np.arange(len(tracks_slot)), per_track)
    start = np.cumsum(per_track) - per_track
    detection = np.arange(len(track)) - np.repeat(start - first[tracks_slot], per_track)
    return track, detection


def overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes (N, 4) with boxes (N, 4): left, top, right, bottom in the same units."""
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    both = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1]) + (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    return shared / np.maximum(both - shared, 1e-12)


def assign(track: Ints, detection: Ints, cost: Floats, tracks: int, detections: int) -> Ints:
    """Choose pairs so that every track and every detection is in at most one, cheapest first.

    Pairs that are each other's cheapest are taken together, round by round: the same result as taking the cheapest
    pair of all, again and again, but in a few passes over all cameras.

    Args:
        track: int (P,), track of each pair.
        detection: int (P,), detection of each pair.
        cost: float (P,); ties go to the earlier pair.
        tracks: how many tracks there are.
        detections: how many detections there are.

    Returns:
        Indices (M,) of the chosen pairs.
    """
    order = np.argsort(cost, kind="stable")
    chosen: list[Ints] = []
    best_of_track = np.empty(tracks, np.int64)
    best_of_detection = np.empty(detections, np.int64)
    while len(order):
        t, d = track[order], detection[order]
        # Written from the dearest to the cheapest, so that the cheapest stays.
        best_of_track[t[::-1]] = order[::-1]
        best_of_detection[d[::-1]] = order[::-1]
        mutual = (best_of_track[t] == order) & (best_of_detection[d] == order)
        chosen.append(order[mutual])
        best_of_track[t[mutual]] = -1
        best_of_detection[d[mutual]] = -1
        order = order[(best_of_track[t] >= 0) & (best_of_detection[d] >= 0)]
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)
