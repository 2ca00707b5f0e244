"""Cameras are placed evenly, within bounds, and moved as little as possible."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cluster.placement import place, workers_needed


def test_cameras_are_spread_evenly():
    placed = place(range(1, 8), ["a", "b", "c"], {}, per_worker=10)
    assert sorted(Counter(placed.values()).values()) == [2, 2, 3]


def test_a_lost_worker_moves_its_own_cameras_only():
    before = place(range(1, 7), ["a", "b", "c"], {}, per_worker=10)
    after = place(range(1, 7), ["a", "c"], before, per_worker=10)
    assert {camera for camera in after if after[camera] != before[camera]} == {
        camera for camera in before if before[camera] == "b"
    }


def test_a_new_worker_moves_nothing():
    before = place(range(1, 7), ["a"], {}, per_worker=10)
    assert place(range(1, 7), ["a", "b"], before, per_worker=10) == before


def test_a_full_worker_takes_no_more_and_the_rest_waits():
    assert place(range(1, 6), ["a"], {}, per_worker=3) == {1: "a", 2: "a", 3: "a"}


def test_without_workers_nothing_is_placed():
    assert place([1, 2], [], {1: "a"}, per_worker=3) == {}


def test_one_worker_stays_ready():
    assert workers_needed(0, per_worker=32) == 1
    assert workers_needed(32, per_worker=32) == 1
    assert workers_needed(33, per_worker=32) == 2


@given(
    cameras=st.sets(st.integers(1, 40)),
    workers=st.sets(st.sampled_from("abcdef")),
    before=st.dictionaries(st.integers(1, 40), st.sampled_from("abcdefgh")),
    per_worker=st.integers(1, 9),
)
def test_every_camera_that_fits_is_placed_and_no_bound_is_broken(cameras, workers, before, per_worker):
    placed = place(cameras, workers, before, per_worker=per_worker)
    assert len(placed) == min(len(cameras), len(workers) * per_worker)
    assert set(placed) <= cameras
    assert all(count <= per_worker for count in Counter(placed.values()).values())
    assert set(placed.values()) <= workers
    assert place(cameras, workers, placed, per_worker=per_worker) == placed
