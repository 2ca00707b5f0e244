"""One Ray with the whole system on it for the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.integration.replayed import REPLAY, free_port, open_model

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from cluster.main import Running
    from cluster.services import Services
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
def system(services: Services, migrated_template: str, system_settings: Settings) -> Iterator[Running]:
    """The whole system on a database of its own, with SSDLite; tests add the cameras."""
    import psycopg

    from cluster.main import start

    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE test_system TEMPLATE {migrated_template}")
    endpoints = services.endpoints
    running = start(
        system_settings,
        replace(
            endpoints,
            postgres_dsn=_in_test_system(endpoints.postgres_dsn),
            postgres_owner_dsn=_in_test_system(endpoints.postgres_owner_dsn),
        ),
        open_model=open_model,
    )
    yield running
    running.stop()


def _in_test_system(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path="/test_system"))


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
