"""Networks are changed before they are compiled, and still say the same."""

import numpy as np
import openvino
from openvino import Core, Model
from openvino import opset13 as ops

from serve_app.detector.graph_edits import score_one_class, take_pictures


def run(model: Model, *inputs: np.ndarray) -> np.ndarray:
    return Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(list(inputs))[0]


def head(last=ops.sigmoid) -> Model:
    """The end of a YOLO: four rows of boxes over three classes' scores."""
    boxes, logits = ops.parameter([1, 4, 6], np.float32), ops.parameter([1, 3, 6], np.float32)
    return Model([ops.concat([boxes, last(logits)], 1)], [boxes, logits], "head")


def test_one_class_is_scored_as_it_was_among_all():
    boxes, logits = (
        np.random.default_rng(1).normal(size=(1, 7, 6)).astype(np.float32)[:, :4],
        np.float32(np.random.default_rng(2).normal(size=(1, 3, 6))),
    )
    whole = run(head(), boxes, logits)
    model = head()
    assert score_one_class(model, 2)
    np.testing.assert_allclose(run(model, boxes, logits), whole[:, [0, 1, 2, 3, 6]], atol=1e-6)


def test_a_head_of_another_kind_is_left_alone():
    model = head(last=ops.relu)
    assert not score_one_class(model, 2)
    assert list(model.outputs[0].shape) == [1, 7, 6]


def test_bytes_of_a_picture_become_the_floats_that_the_network_was_trained_on():
    floats = ops.parameter([1, 3, 2, 4], np.float32)
    model = take_pictures(Model([ops.relu(floats)], [floats], "echo"))
    picture = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3) * 10
    assert model.inputs[0].element_type == openvino.Type.u8
    np.testing.assert_allclose(run(model, picture), picture.transpose(0, 3, 1, 2) / np.float32(255), atol=1e-6)
