"""Reads model files that OpenVINO can run, and makes them all look alike: uint8 pictures in, people out.

Three families are known: folders, ``.xml`` and ``.onnx`` files that Ultralytics exported (they carry their class
names), and frozen TensorFlow object detection graphs (``.pb``) such as the SSDLite package's.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from openvino import InferRequest, Model
from openvino.frontend import FrontEndManager

from schema.errors import BadInput
from schema.ports import DetectorSpec
from serve_app.detector.found import model_version, person_class
from serve_app.detector.graph_edits import score_one_class, take_pictures
from serve_app.detector.heads import Found, read_grid, read_rows, read_ssd

_FRONT_ENDS = {".xml": "ir", ".onnx": "onnx", ".pb": "tf"}
_SSD_SIDE_PX = 300
_SSD_PERSON = 1  # frozen graphs carry no names; in the label maps they are trained with, 1 is the person


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A network ready to compile. ``read`` takes what one finished request says about its one picture."""

    model: Model
    spec: DetectorSpec
    read: Callable[[InferRequest], Found]


def read_graph(path: Path, name: str) -> Graph:
    """Read a model file or an exported folder.

    The network's input becomes uint8 (1, H, W, 3) RGB: conversion, scaling to 0..1 and layout move into the graph,
    where they run in the inference threads, and not in Python. ``name`` is what the model is called in results.

    Raises:
        BadInput: the file is not a model, or not one that finds people.
    """
    file = _network_file(path)
    model = _read_network(file)
    weights = file.with_suffix(".bin") if file.suffix == ".xml" else file
    version = model_version(name, weights)
    return _ssd(model, version, path) if file.suffix == ".pb" else _yolo(model, version, path, file)


def _network_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*.xml"))
    if len(files) != 1:
        raise BadInput(
            f"folder '{path}' holds {len(files)} .xml files: give a folder that Ultralytics exported for OpenVINO"
        )
    return files[0]


def _read_network(file: Path) -> Model:
    # Not Core.read_model: it tries one front end after the other. TensorFlow's complains on standard error about every
    # file that is not its own, so that is looked into first.
    if file.suffix == ".pb" and b"detection_boxes" not in file.read_bytes():
        raise BadInput(f"'{file}' is not an object detection graph: it has no output 'detection_boxes'")
    front_end = FrontEndManager().load_by_framework(_FRONT_ENDS[file.suffix])
    try:
        return front_end.convert(front_end.load(str(file)))
    except Exception as exc:  # front ends raise unrelated classes, some of them plain exceptions
        raise BadInput(
            f"'{file}' cannot be read as a model: its file is damaged or of another kind; fetch it again"
        ) from exc


def _ssd(model: Model, version: str, path: Path) -> Graph:
    names = {name: index for index, output in enumerate(model.outputs) for name in output.names}
    try:
        boxes, classes, scores = (
            names[f"{name}:0"] for name in ("detection_boxes", "detection_classes", "detection_scores")
        )
    except KeyError as missing:
        raise BadInput(f"'{path}' is not an object detection graph: it has no output {missing}") from None
    model.reshape([1, _SSD_SIDE_PX, _SSD_SIDE_PX, 3])
    spec = DetectorSpec(model=version, width=_SSD_SIDE_PX, height=_SSD_SIDE_PX, keep_aspect=False)

    def read(request: InferRequest) -> Found:
        outputs = [request.get_output_tensor(index).data[0] for index in (boxes, classes, scores)]
        return read_ssd(*outputs, person=_SSD_PERSON)

    return Graph(model=model, spec=spec, read=read)


def _yolo(model: Model, version: str, path: Path, file: Path) -> Graph:
    facts = _facts(model, path, file)
    if facts.get("task", "detect") != "detect":
        raise BadInput(f"model '{path}' is made for '{facts['task']}': export a detection model")
    names = facts["names"]
    person = person_class(names, str(path))
    height, width = _input_size(model, facts)
    model.reshape([1, 3, height, width])
    shape = list(model.outputs[0].shape)
    if len(shape) == 3 and shape[1] == 4 + len(names):
        person = 0 if score_one_class(model, person) else person
        read = partial(_read_output, partial(read_grid, person=person, width_px=width, height_px=height))
    elif len(shape) == 3 and shape[2] == 6:
        read = partial(_read_output, partial(read_rows, person=person, width_px=width, height_px=height))
    else:
        raise BadInput(f"model '{path}' answers with shape {shape}: export a YOLO detection model with Ultralytics")
    spec = DetectorSpec(model=version, width=width, height=height, keep_aspect=True)
    return Graph(model=take_pictures(model), spec=spec, read=read)


def _read_output(head: Callable[..., Found], request: InferRequest) -> Found:
    return head(request.get_output_tensor(0).data[0])


def _facts(model: Model, path: Path, file: Path) -> Mapping[str, Any]:
    """What Ultralytics wrote about the model: at least ``names``, a sequence or a mapping from number to name."""
    notes = file.with_name("metadata.yaml")
    if file.suffix == ".xml" and notes.is_file():
        try:
            facts = yaml.safe_load(notes.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            raise BadInput(f"'{notes}' is not readable as YAML: export the model again") from exc
        if isinstance(facts, dict) and facts.get("names"):
            return facts
    if file.suffix == ".onnx" and model.has_rt_info(["framework", "names"]):
        where = [["framework", key] for key in ("names", "imgsz", "task")]
        return {at[-1]: _literal(str(model.get_rt_info(at).value)) for at in where if model.has_rt_info(at)}
    if model.has_rt_info(["model_info", "labels"]):
        return {"names": str(model.get_rt_info(["model_info", "labels"]).value).split()}
    raise BadInput(f"model '{path}' does not name its classes: keep Ultralytics' metadata.yaml beside it")


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _input_size(model: Model, facts: Mapping[str, Any]) -> tuple[int, int]:
    shape = model.inputs[0].partial_shape
    if len(shape) == 4 and shape[2].is_static and shape[3].is_static:
        return shape[2].get_length(), shape[3].get_length()
    height, width = facts.get("imgsz") or (640, 640)
    return int(height), int(width)
