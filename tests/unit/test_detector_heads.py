"""What is read out of a network's raw output, on hand-made outputs."""

import numpy as np
import pytest

from schema.errors import BadInput
from serve_app.detector.found import model_version, person_class, without_duplicates
from serve_app.detector.heads import read_grid, read_rows, read_ssd

SIDE_PX = 100


def grid(*anchors: tuple[float, ...], person: int = 0) -> np.ndarray:
    """A YOLOv8 output of three classes: each anchor is centre x, centre y, width, height, score of the person."""
    output = np.zeros((7, len(anchors)), np.float32)
    for column, (x, y, width, height, score) in enumerate(anchors):
        output[:4, column] = x, y, width, height
        output[4 + person, column] = score
    return output


def test_a_grid_gives_corners_as_fractions_of_the_input():
    boxes, scores = read_grid(grid((50, 40, 20, 40, 0.9)), 0, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(boxes, [[0.4, 0.2, 0.6, 0.6]], atol=1e-6)
    np.testing.assert_allclose(scores, [0.9])


def test_an_oblong_input_scales_each_axis_by_its_own_side():
    boxes, _ = read_grid(grid((50, 40, 20, 40, 0.9)), 0, 200, 100)
    np.testing.assert_allclose(boxes, [[0.2, 0.2, 0.3, 0.6]], atol=1e-6)


def test_weak_people_are_kept_down_to_a_tenth():
    _, scores = read_grid(grid((10, 10, 5, 5, 0.1), (60, 60, 5, 5, 0.099)), 0, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(scores, [0.1])


def test_only_the_person_class_is_read():
    output = grid((10, 10, 5, 5, 0.8), person=2)
    assert len(read_grid(output, 0, SIDE_PX, SIDE_PX)[1]) == 0
    assert len(read_grid(output, 2, SIDE_PX, SIDE_PX)[1]) == 1


def test_a_grid_without_people_gives_nobody():
    boxes, scores = read_grid(grid((10, 10, 5, 5, 0.01)), 0, SIDE_PX, SIDE_PX)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_two_anchors_on_one_person_give_the_stronger():
    boxes, scores = read_grid(grid((50, 50, 20, 40, 0.6), (51, 50, 20, 40, 0.8)), 0, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(scores, [0.8])
    np.testing.assert_allclose(boxes[0, 0], 0.41, atol=1e-6)


def test_people_side_by_side_stay_two():
    _, scores = read_grid(grid((50, 50, 20, 40, 0.6), (60, 50, 20, 40, 0.8)), 0, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(scores, [0.8, 0.6])


def test_equally_strong_duplicates_leave_the_one_given_first():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]], np.float32)
    assert without_duplicates(boxes, np.full(3, 0.5, np.float32)).tolist() == [0]


def test_the_order_of_strength_is_the_order_of_the_answer():
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    assert without_duplicates(boxes, np.array([0.2, 0.9, 0.5], np.float32)).tolist() == [1, 2, 0]


def test_rows_are_filtered_by_class_and_score_and_ordered():
    output = np.array(
        [[0, 0, 50, 50, 0.3, 0], [10, 10, 20, 20, 0.9, 5], [0, 0, 100, 50, 0.7, 0], [0, 0, 9, 9, 0.05, 0]], np.float32
    )
    boxes, scores = read_rows(output, 0, SIDE_PX, SIDE_PX)
    np.testing.assert_allclose(scores, [0.7, 0.3])
    np.testing.assert_allclose(boxes, [[0, 0, 1, 0.5], [0, 0, 0.5, 0.5]])


def test_an_ssd_output_has_its_coordinates_put_in_order():
    boxes = np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    classes, scores = np.array([1, 1, 2], np.float32), np.array([0.5, 0.05, 0.9], np.float32)
    found, kept = read_ssd(boxes, classes, scores, 1)
    np.testing.assert_allclose(found, [[0.2, 0.1, 0.4, 0.3]])
    np.testing.assert_allclose(kept, [0.5])


def test_the_person_class_is_found_by_name_wherever_it_is():
    assert person_class({0: "car", 7: "Person"}, "m.pt") == 7
    assert person_class(["dog", "person"], "m.onnx") == 1


def test_a_model_that_knows_no_people_is_refused_by_name():
    with pytest.raises(BadInput, match=r"model 'cars\.pt' has no class named 'person'"):
        person_class({0: "car", 1: "person on horse"}, "cars.pt")


def test_other_weights_of_the_same_name_are_another_version(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    assert model_version("m", tmp_path / "a") != model_version("m", tmp_path / "b")
    assert model_version("m", tmp_path / "a").startswith("m@")
