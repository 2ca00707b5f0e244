"""Which detection belongs to which track."""

import numpy as np
import pytest

from actors.counting.matching import assign, overlap, pairs


def test_pairs_are_of_one_camera_only():
    # Camera slots 0 and 2 have two and one detections, slot 1 none; tracks lie in any order.
    track, detection = pairs(np.array([2, 0, 1, 0]), np.array([0, 0, 2]), np.array([2, 0, 1]))
    assert list(zip(track.tolist(), detection.tolist(), strict=True)) == [(0, 2), (1, 0), (1, 1), (3, 0), (3, 1)]


def test_overlap_of_boxes():
    box = np.array([[0.0, 0, 2, 2]])
    for other, share in (([0, 0, 2, 2], 1), ([1, 0, 3, 2], 1 / 3), ([2, 0, 3, 2], 0), ([5, 5, 6, 6], 0)):
        assert overlap(box, np.array([other], float))[0] == pytest.approx(share)


def test_the_cheapest_pair_is_taken_first_and_again_among_the_rest():
    random = np.random.default_rng(3)
    for _ in range(50):
        cost = random.random((6, 5))
        track, detection = (index.ravel() for index in np.indices(cost.shape))
        chosen = assign(track, detection, cost.ravel(), *cost.shape)
        expected = []
        left = cost.copy()
        while np.isfinite(left).any():
            t, d = np.unravel_index(left.argmin(), left.shape)
            expected.append((int(t), int(d)))
            left[t], left[:, d] = np.inf, np.inf
        assert sorted(zip(track[chosen].tolist(), detection[chosen].tolist(), strict=True)) == sorted(expected)


def test_ties_go_to_the_earlier_pair():
    track, detection = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert sorted(assign(track, detection, np.ones(4), 2, 2).tolist()) == [0, 3]


def test_no_pairs_are_no_matches():
    nothing = np.empty(0, np.int64)
    assert assign(nothing, nothing, np.empty(0), 3, 0).tolist() == []
