"""Sealed columns and the audit trail come and go with data in the tables."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, text

from schema.database import auditing, migrate, migration_config, open_engine, transaction
from schema.queries import audit, cameras
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID as TENANT

pytestmark = pytest.mark.integration

WHOLE = "rtsp://joe:geheim@10.0.0.1/1"


@pytest.fixture
def dsn(services) -> Iterator[str]:
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("create database sealed_migration")
        yield services.postgres.url.rpartition("/")[0] + "/sealed_migration"
        connection.execute("drop database sealed_migration with (force)")


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    migrate(dsn)
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


def go_back(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("set local role turnstile_migrator"))
        command.downgrade(migration_config(connection), revision)


def test_going_back_writes_whole_addresses_for_the_previous_release(engine: Engine, dsn: str):
    with transaction(engine, TENANT) as session:
        cameras.add(session, Camera(name="a", source=WHOLE))
        cameras.add(session, Camera(name="b", source="/videos/b.mp4"))
        changed = cameras.add(session, Camera(name="c", source=WHOLE))
        session.execute(text(f"update cameras set source = 'rtsp://eve:other@10.0.0.2/1' where id = {changed.id}"))
    go_back(engine, "0005")
    with transaction(engine, TENANT) as session:
        sources = session.scalars(text("select source from cameras order by name")).all()
    assert sources == [WHOLE, "/videos/b.mp4", "rtsp://eve:other@10.0.0.2/1"]

    migrate(dsn)
    with transaction(engine, TENANT) as session:
        assert [camera.source for camera in cameras.listing(session)] == sources


def test_without_the_trail_changes_are_made_as_before_and_a_new_trail_begins_empty(engine: Engine, dsn: str):
    with transaction(engine, TENANT) as session:
        camera = cameras.add(session, Camera(name="a", source=WHOLE))
    go_back(engine, "0006")
    with transaction(engine, TENANT) as session:
        cameras.remove(session, camera.id)
    migrate(dsn)
    with transaction(engine, TENANT) as session:
        cameras.add(session, Camera(name="b", source=WHOLE))
    with auditing(engine, TENANT) as session:
        assert [entry.position for entry in audit.listing(session, TENANT)] == [1]
        assert audit.verify(session, TENANT).broken is None
