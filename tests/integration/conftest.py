"""One Ray with the whole system on it for the run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.caching import OwnRedis, own_redis
from tests.integration.commands import Turnstile
from tests.integration.replayed import REPLAY, free_port, open_model

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cluster.main import Running
    from cluster.services import Services
    from schema.cache.client import Cache
    from schema.settings import Settings


@pytest.fixture(scope="session")
def system_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the run's system: its own home, a free port, small workers."""
    from schema.settings import ApiSettings, Settings, WorkerSettings

    return Settings(
        home=tmp_path_factory.mktemp("system"),
        model="ssdlite",
        api=ApiSettings(port=free_port()),
        workers=WorkerSettings(cameras_per_worker=8),
    )


@pytest.fixture(scope="session")
def system_services() -> Iterator[Services]:
    """The system's own services: what it does there by itself would disturb tests of its parts."""
    from cluster.services import Services
    from cluster.services.remembered import recall
    from schema.settings import Settings

    home = Path(tempfile.mkdtemp(prefix="turnstile-system-"))
    home.chmod(0o755)  # servers run as another user when we are root
    with Services(Settings(home=home)) as started:
        yield started
    shutil.rmtree(recall(home).data)
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def system(system_services: Services, system_settings: Settings) -> Iterator[Running]:
    """The whole system with SSDLite; tests add the cameras."""
    from cluster.main import start

    running = start(system_settings, system_services.endpoints, open_model=open_model)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def engine(system: Running) -> Iterator[Engine]:
    """The system's database."""
    from schema.database import open_engine

    engine = open_engine(system.endpoints.postgres_dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def replaying(system: Running) -> Iterator[Running]:
    """The system with detections from a file instead of a model."""
    system.change_model(REPLAY)
    yield system
    system.change_model("ssdlite")


@pytest.fixture
def turnstile(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Turnstile:
    """The program on the module's database, in a home of its own."""
    from cluster.cli import run

    monkeypatch.setenv("TURNSTILE_POSTGRES_DSN", dsn)
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture(scope="module")
def redis() -> Iterator[OwnRedis]:
    """A Redis of the module's own, to stop and to empty."""
    with own_redis() as server:
        yield server


@pytest.fixture
def cache(redis: OwnRedis) -> Iterator[Cache]:
    """A client of the module's Redis, which is empty."""
    from schema.cache.client import Cache

    redis.client.flushall()
    cache = Cache(redis.url)
    yield cache
    cache.close()


@pytest.fixture
def away() -> Iterator[Cache]:
    """A client of a Redis that is not there."""
    from schema.cache.client import Cache

    cache = Cache("redis://:secret@127.0.0.1:1/0")
    yield cache
    cache.close()
