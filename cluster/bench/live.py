"""How old a crossing is when a WebSocket client hears of it: live RTSP cameras, through everything to the client.

Detections are replayed, so that this measures the way and not the model.
"""

import importlib.util
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import av
import numpy as np
from websockets.sync.client import connect

from cluster.bench.inputs import vtest
from cluster.bench.measure import Measure
from cluster.main import Running, running
from cluster.services import Services
from schema.database import open_engine, transaction
from schema.errors import BadInput, Permanent
from schema.geometry import Scene, parse_line
from schema.ports import Detector
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.settings import ApiSettings, Settings
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns
from serve_app.detector.replay import ReplayDetector

CAMERAS = 8
LIMIT_MS = 100.0
WARM_UP_S = 10.0
MEASURED_S = 50.0
LINES = ("left=0.3,0,0.3,1", "middle=0.5,0,0.5,1", "right=0.7,0,0.7,1", "across=0,0.5,1,0.5")
_PROJECT = Path(__file__).parents[2]
_DETECTIONS = _PROJECT.parent / "shared/data/mot15/PETS09-S2L1/det.txt"
_RTSP_SERVER = _PROJECT / "tests/integration/rtsp_server.py"


def measure() -> list[Measure]:
    """The 99th percentile of the time from the frame that confirms a crossing to its message at the client.

    Raises:
        BadInput: the detections, the checkout's RTSP server or what it needs are not there.
    """
    rtsp = _rtsp_server()
    with tempfile.TemporaryDirectory(prefix="turnstile-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # servers run as another user when we are root
        settings = Settings(home=home / "home", api=ApiSettings(port=rtsp.free_port()))
        settings.home.mkdir()
        with (
            rtsp.RtspServer(_h264(home / "vtest.mp4")) as server,
            Services(settings) as services,
            running(settings, services.endpoints, open_model=_open_replay) as system,
        ):
            ages_ms = _listen(system, server.url)
    p99_ms = float(np.percentile(ages_ms, 99))
    middle_ms = float(np.median(ages_ms))
    return [
        Measure(
            name="live",
            value=p99_ms,
            unit="ms p99",
            reference=f"limit {LIMIT_MS:g} ms; median {middle_ms:.0f} ms of {len(ages_ms)} crossings",
            ratio=p99_ms / LIMIT_MS,
        )
    ]


def _rtsp_server() -> ModuleType:
    if not _RTSP_SERVER.exists():
        raise BadInput(f"this benchmark needs '{_RTSP_SERVER}', which is not there: run it in a checkout")
    spec = importlib.util.spec_from_file_location("rtsp_server", _RTSP_SERVER)
    assert spec is not None  # noqa: S101 - a .py file has a loader
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if missing := module.missing():
        raise BadInput(missing)
    return module


def _open_replay(_model: str) -> Detector:
    if not _DETECTIONS.exists():
        raise BadInput(
            f"this benchmark needs '{_DETECTIONS}', which is not there: put the test data beside the project"
        )
    return ReplayDetector(_DETECTIONS, width_px=768, height_px=576)


def _h264(path: Path) -> Path:
    """The demo's video as a camera would send it, ten frames a second."""
    options = {"preset": "veryfast", "tune": "zerolatency", "g": "20"}
    with av.open(str(vtest())) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 768, 576, "yuv420p"
        for seq, picture in enumerate(source.decode(video=0)):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base = seq, Fraction(1, 10)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return path


def _listen(system: Running, source: str) -> Sequence[float]:
    """Add the cameras, and note the age of each crossing that a client hears of, in milliseconds."""
    engine = open_engine(system.endpoints.postgres_dsn, pool_size=1)
    scene = Scene(lines=tuple(map(parse_line, LINES)))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        for number in range(CAMERAS):
            cameras.put(session, Camera(name=f"camera{number}", source=source, scene=scene, detect_fps=None))
    engine.dispose()
    heard: list[tuple[int, str]] = []
    stopping = threading.Event()
    client = threading.Thread(target=_hear, args=(f"{system.api_url}/api/v1/live", heard, stopping))
    client.start()
    time.sleep(WARM_UP_S + MEASURED_S)
    stopping.set()
    client.join()
    first_ns = min((at_ns for at_ns, _ in heard), default=0) + int(WARM_UP_S * 1e9)
    ages_ms = [age for at_ns, message in heard if at_ns > first_ns for age in _ages_ms(at_ns, message)]
    if not ages_ms:
        raise Permanent(f"no crossing was heard of in {MEASURED_S:g} s: {system.overview()}")
    return ages_ms


def _hear(url: str, heard: list[tuple[int, str]], stopping: threading.Event) -> None:
    with connect(url.replace("http", "ws", 1), proxy=None) as client:
        while not stopping.is_set():
            with suppress(TimeoutError):
                message = client.recv(timeout=0.5, decode=True)
                heard.append((time.time_ns(), message))


def _ages_ms(heard_ns: int, message: str) -> list[float]:
    crossings = json.loads(message).get("crossings", ())
    return [(heard_ns - to_ns(datetime.fromisoformat(crossing["confirmed_at"]))) / 1e6 for crossing in crossings]
