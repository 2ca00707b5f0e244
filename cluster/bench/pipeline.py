"""How near the whole system comes to the speed of the network alone: two recordings through Ray, Serve, PostgreSQL."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from cluster import replay
from cluster.bench.inputs import vtest, yolo_int8
from cluster.bench.measure import Measure, medians
from cluster.bench.raw import raw_inference
from cluster.main import running
from cluster.replay import Recording
from cluster.services import Services
from schema.database import open_engine
from schema.geometry import Scene, parse_line
from schema.settings import Settings

_ROUNDS = 5
_CAMERAS = 2
_RAW_FRAMES = 200
_SCENE = Scene(lines=(parse_line("middle=0.5,0,0.5,1"),))


def measure() -> list[Measure]:
    """Backfill the video as two cameras at once, in turn with raw inference.

    A round lasts from telling PostgreSQL of the recordings to their last crossing being stored; the system is running
    when it begins.
    """
    model = yolo_int8()
    video, numbers = vtest(), count(1)
    with _system(model) as engine:
        raw_fps, pipeline_fps = medians(
            _ROUNDS, [raw_inference(model, _RAW_FRAMES), lambda: _backfill(engine, video, next(numbers))]
        )
    raw = f"raw OpenVINO inference: {raw_fps:.1f} frames/s"
    return [Measure(name="pipeline", value=pipeline_fps, unit="frames/s", reference=raw, ratio=pipeline_fps / raw_fps)]


@contextmanager
def _system(model: Path) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="turnstile-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # servers run as another user when we are root
        settings = Settings(home=home, model=str(model))
        with Services(settings) as services, running(settings, services.endpoints, with_api=False):
            yield open_engine(services.endpoints.postgres_dsn)


def _backfill(engine: Engine, video: Path, number: int) -> float:
    recordings = [Recording(path=video, camera=f"round-{number}-{camera}", scene=_SCENE) for camera in range(_CAMERAS)]
    began_s = time.perf_counter()
    begun = [replay.begin(engine, recording, model="bench", now_ns=time.time_ns()) for recording in recordings]
    frames = 0
    for progress in replay.follow(engine, begun):
        frames = sum(one.seq for one in progress.values())
    return frames / (time.perf_counter() - began_s)
