"""A database and a file store for rows that age, and a camera that counts them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from schema.database import open_engine, owner_transaction
from schema.settings import StorageSettings
from schema.storage import FsspecStore, open_storage
from tests.integration.tiers.aging import Aging, add_camera


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    with owner_transaction(engine) as session:
        session.execute(text("truncate cameras, crossings, archives cascade"))
        session.execute(text("update tenants set hot_days = 30, warm_days = 365, cold_days = 1825"))


@pytest.fixture
def files(tmp_path: Path) -> FsspecStore:
    return open_storage(StorageSettings(url=tmp_path.as_uri()))


@pytest.fixture
def camera(engine: Engine) -> Aging:
    return add_camera(engine, "front")
