"""Changes to a network before it is compiled, so that work is done once, in the inference threads, or not at all."""

import numpy as np
from openvino import Layout, Model, Type
from openvino import opset13 as ops
from openvino.preprocess import PrePostProcessor


def take_pictures(model: Model) -> Model:
    """Let a network of float (1, 3, H, W) in 0..1 take uint8 (1, H, W, 3) as decoded."""
    steps = PrePostProcessor(model)
    picture = steps.input(0)
    picture.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    picture.preprocess().convert_element_type(Type.f32).scale(255.0)
    picture.model().set_layout(Layout("NCHW"))
    return steps.build()


def score_one_class(model: Model, number: int) -> bool:
    """Let a YOLO grid head score only one class: its output shrinks from 4 + classes rows to 5.

    Of 80 classes the other 79 cost 4 % of YOLO11n's time at 640 pixels, for their sigmoids and for writing them out.

    Returns:
        Whether it was done; heads that do not end in boxes and sigmoids side by side are left as they are.
    """
    joined = model.get_results()[0].input_value(0).get_node()
    if joined.get_type_name() != "Concat" or joined.get_input_size() != 2:
        return False
    scores = joined.input_value(1).get_node()
    if scores.get_type_name() != "Sigmoid":
        return False
    begin, end, step, axis = (np.array([value]) for value in (number, number + 1, 1, 1))
    chosen = ops.sigmoid(ops.slice(scores.input_value(0), begin, end, step, axis))
    joined.input(1).replace_source_output(chosen.output(0))
    model.validate_nodes_and_infer_types()
    return True
