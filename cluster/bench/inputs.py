"""What the benchmarks run on: the demo's video, and the quantised YOLO of the shared test data."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from actors.capture.sources import FileSource
from cluster.demo_video import demo_video
from schema.errors import BadInput
from schema.events import Frame
from schema.settings import load_settings

_YOLO_INT8 = Path("shared", "data", "models", "yolo11n_int8_openvino_model")


def vtest() -> Path:
    """The demo's video, 795 frames of 768x576."""
    return demo_video(load_settings())


def yolo_int8() -> Path:
    """YOLO11n in INT8 as an OpenVINO folder.

    Raises:
        BadInput: the shared test data is not beside the project.
    """
    folder = Path(__file__).parents[3] / _YOLO_INT8
    if not folder.is_dir():
        raise BadInput(
            f"this benchmark needs the model '{folder}', which is not there: put the test data beside the project"
        )
    return folder


class FirstFrames:
    """The beginning of a file, as a source."""

    def __init__(self, path: Path, camera_id: int, frames: int) -> None:
        self._source = FileSource(path, camera_id, 0)
        self._count = frames

    @property
    def epoch(self) -> str:
        """The stream epoch."""
        return self._source.epoch

    def frames(self) -> Iterator[Frame]:
        """The first frames, in order."""
        return islice(self._source.frames(), self._count)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()
