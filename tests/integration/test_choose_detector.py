"""Which detector a name opens, and what happens where weights cannot be fetched. A local server plays the hub."""

import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from schema.errors import BadInput
from serve_app.detector import weights
from serve_app.detector.choose import open_detector
from serve_app.detector.weights import fetch_weights, is_published_name
from tests.contracts import detector_models as models
from tests.integration.rtsp_server import free_port

pytestmark = pytest.mark.integration


class Hub(HTTPServer):
    """Serves ``content`` at every path; promises more than it sends if told to ``break_off``."""

    content = b"weights"
    status = 200
    break_off = False
    asked = 0


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content) + 1000 * self.server.break_off))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub(("127.0.0.1", 0), Answer) as server:
        monkeypatch.setattr(weights, "_PUBLISHED", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_PUBLISHED", f"http://127.0.0.1:{free_port()}")


def test_weights_are_fetched_once(hub, tmp_path):
    assert fetch_weights("yolo11n.pt", tmp_path / "cache").read_bytes() == b"weights"
    assert fetch_weights("yolo11n.pt", tmp_path / "cache").read_bytes() == b"weights"
    assert hub.asked == 1


def test_a_fetch_that_breaks_off_leaves_nothing(hub, tmp_path):
    hub.break_off = True
    with pytest.raises(BadInput, match=r"weights 'yolo11n\.pt' could not be fetched"):
        fetch_weights("yolo11n.pt", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_the_hub_does_not_have_are_named(hub, tmp_path):
    hub.status = 404
    with pytest.raises(BadInput, match=r"'yolo99n\.pt'.*HTTP status 404"):
        open_detector("yolo99n.pt", cache=tmp_path)


def test_auto_takes_the_weights_it_can_fetch(hub, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        hub.content = models.untrained_yolo(tmp_path).read_bytes()
    detector = open_detector("auto", cache=tmp_path / "cache")
    assert detector.spec.model.startswith("yolo11n@")


def test_auto_takes_weights_that_lie_here_without_asking_the_hub(hub, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        path = models.untrained_yolo(tmp_path)
    assert open_detector("auto", weights=str(path), cache=tmp_path).spec.model.startswith("yolo11n@")
    assert hub.asked == 0


@pytest.mark.usefixtures("no_hub")
def test_auto_says_loudly_that_it_falls_back(tmp_path):
    models.need_ssdlite()
    with capture_logs() as logs:
        detector = open_detector("auto", cache=tmp_path)
    assert detector.spec.model.startswith("ssdlite@")
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert logs[0]["weights"] == "yolo11n.pt"


@pytest.mark.usefixtures("no_hub")
def test_weights_asked_for_by_name_are_not_replaced_by_others(tmp_path):
    with pytest.raises(BadInput, match="download them by hand"):
        open_detector("yolo11n.pt", cache=tmp_path)


@pytest.mark.parametrize("name", ["yolo11n.pt", "yolov8x.pt", "yolo26m.pt", "yolov5nu.pt"])
def test_published_detection_weights_go_by_name(name):
    assert is_published_name(name)


@pytest.mark.parametrize(
    "name", ["yolo11n-seg.pt", "mine.pt", "../yolo11n.pt", "yolo11n.onnx", str(Path("/x/yolo11n.pt"))]
)
def test_other_names_are_paths(name):
    assert not is_published_name(name)
