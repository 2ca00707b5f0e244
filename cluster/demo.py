"""The demo: one recorded street as four cameras, each with its own lines and zone."""

import secrets
import socket
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from sqlalchemy import Engine

from cluster.demo_video import demo_video
from cluster.home import alone
from cluster.main import Running
from cluster.main import running as run_system
from cluster.replay import Begun, Recording, begin
from cluster.services import Services
from cluster.witnesses import LiveWitness, QueueWitness, ask_postgres, ask_redis
from schema.database import open_engine, transaction
from schema.events import Direction
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.settings import Settings
from schema.tenants import DEFAULT_TENANT_ID

SCENES: Mapping[str, Scene] = {
    "crossroads": Scene(lines=(parse_line("left-right=0.5,0,0.5,1"), parse_line("near-far=0,0.5,1,0.5"))),
    "lawn": Scene(
        lines=(parse_line("path=0.3,0,0.3,1"),),
        zones=(parse_zone("lawn=0.3,0.35,0.75,0.35,0.75,0.75,0.3,0.75"),),
    ),
    "corner": Scene(lines=(parse_line("diagonal=0.2,0.2,0.8,0.9"),)),
    "far-end": Scene(lines=(parse_line("gate=0.7,0,0.7,1"), parse_line("back=0,0.4,1,0.4"))),
}
AGREE_S = 30.0
"""How long news may take to reach every witness after the last frame."""
_POLL_S = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What each witness says of one rule in one direction."""

    camera: str
    rule: str
    direction: Direction
    postgres: int
    redis: int
    websocket: int
    rabbitmq: int

    @property
    def agrees(self) -> bool:
        """Whether all say the same."""
        return self.postgres == self.redis == self.websocket == self.rabbitmq


@contextmanager
def live_demo(settings: Settings) -> Generator[tuple[Running, LiveWitness]]:
    """Four cameras that play the video over and over, and a WebSocket client that listens; all stops at the end."""
    settings = settings.model_copy(update={"home": settings.home / "demo", "cameras": {}})
    video = demo_video(settings)
    with alone(settings) as announce, _system(settings) as (running, engine):
        announce(running.model.model)
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            for name, scene in SCENES.items():
                cameras.put(session, Camera(name=name, source=str(video), scene=scene))
        with LiveWitness(_live_url(running)) as witness:
            yield running, witness


class OneRun:
    """Every camera played once to its end, under the eyes of four witnesses. A context manager.

    It runs in a state folder of its own that is removed afterwards, so that it starts from nothing. On services that
    the settings name, its cameras get names of their own instead.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is started yet."""
        self._settings = settings
        self._stack = ExitStack()

    def __enter__(self) -> "OneRun":
        """Start everything, and set the cameras to work when the witnesses listen."""
        with ExitStack() as stack:
            video = demo_video(self._settings)
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="turnstile-demo-")))
            home.chmod(0o755)  # servers run as another user when we are root, and keep their data here
            api = self._settings.api.model_copy(update={"port": _free_port()})
            settings = self._settings.model_copy(update={"home": home, "api": api, "cameras": {}})
            self.running, self.engine = stack.enter_context(_system(settings))
            run = secrets.token_hex(3)
            self._live = stack.enter_context(LiveWitness(_live_url(self.running)))
            self._queue = stack.enter_context(QueueWitness(self.running.endpoints.amqp_url, f"demo-{run}"))
            suffix = "" if settings.postgres_dsn is None else f"-{run}"
            self.begun = _begin(self.engine, video, self.running.model.model, suffix=suffix)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop everything and remove the state folder."""
        self._stack.close()

    def compare(self) -> list[Comparison]:
        """Ask the witnesses, for as long as news may be under way, until they agree."""
        deadline_s = time.monotonic() + AGREE_S
        while True:
            compared = self._compare_now()
            if all(one.agrees for one in compared) or time.monotonic() > deadline_s:
                return compared
            time.sleep(_POLL_S)

    def _compare_now(self) -> list[Comparison]:
        ids = [begun.camera.id for begun in self.begun]
        endpoints = self.running.endpoints
        store, cache = ask_postgres(endpoints.postgres_dsn, ids), ask_redis(endpoints.redis_url, ids)
        live, queue = self._live.counts, self._queue.counts
        return [
            Comparison(
                camera=begun.camera.name,
                rule=rule.name,
                direction=direction,
                postgres=store.get((rule.id, direction), 0),
                redis=cache.get((rule.id, direction), 0),
                websocket=live.get((rule.id, direction), 0),
                rabbitmq=queue.get((rule.id, direction), 0),
            )
            for begun in self.begun
            for rule in begun.camera.scene.rules
            for direction in cast(tuple[Direction, ...], get_args(Direction))
        ]


@contextmanager
def _system(settings: Settings) -> Generator[tuple[Running, Engine]]:
    with Services(settings) as services, run_system(settings, services.endpoints) as system:
        engine = open_engine(system.endpoints.postgres_dsn, pool_size=2)
        try:
            yield system, engine
        finally:
            engine.dispose()


def _begin(engine: Engine, video: Path, model: str, *, suffix: str) -> Sequence[Begun]:
    now_ns = time.time_ns()
    return [
        begin(
            engine,
            Recording(path=video, camera=name + suffix, scene=scene, started_ns=now_ns),
            model=model,
            now_ns=now_ns,
        )
        for name, scene in SCENES.items()
    ]


def _live_url(running: Running) -> str:
    return f"{running.api_url}/api/v1/live".replace("http", "ws", 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
