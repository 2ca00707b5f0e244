"""Services and databases for integration tests; unit tests ask for none of these."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from cluster.services import Services
    from tests.door import Door
    from tests.s3_server import S3Server

# Homes of tests come and go; the keys of what tests seal stay, for the processes that tests start, too.
os.environ["TURNSTILE_KEYS"] = "\n".join(
    f"{name}:{base64.b64encode(32 * name[:1].encode()).decode()}" for name in ("tests", "index")
)
_TEMPLATE = "turnstile_template"
_numbers = count(1)

# How long an example takes says nothing on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """The state folder of the run's services."""
    home = Path(tempfile.mkdtemp(prefix="turnstile-tests-"))
    home.chmod(0o755)  # servers run as another user when we are root
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def services(services_home: Path) -> Iterator[Services]:
    """Private PostgreSQL, Redis and RabbitMQ for the whole run; whoever stops one starts it again."""
    from cluster.services import Services
    from cluster.services.remembered import recall
    from schema.settings import Settings

    with Services(Settings(home=services_home)) as started:
        yield started
    shutil.rmtree(recall(services_home).data)


@pytest.fixture(scope="session")
def migrated_template(services: Services) -> str:
    """A migrated database to copy, which takes a tenth of the time of migrating."""
    import psycopg

    from schema.database import migrate

    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TEMPLATE}")
    migrate(_database(services.postgres.url, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="module")
def dsn(services: Services, migrated_template: str) -> Iterator[str]:
    """A migrated, empty database for this test module, and a Redis that remembers nothing of others."""
    import psycopg
    import redis

    with redis.Redis.from_url(services.redis.url) as remembering:
        remembering.flushall()
    name = f"test_{next(_numbers)}"
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    yield _database(services.postgres.url, name)
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 150 frames of the demo's video."""
    from tests.clips import copy_clip

    return copy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", 150)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for the whole run; tests make their own buckets."""
    from tests.s3_server import S3Server

    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_door(s3: S3Server) -> Iterator[Door]:
    """A way to the S3 server that can be shut."""
    from tests.door import Door

    with Door(s3.port) as door:
        yield door
