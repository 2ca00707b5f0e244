"""Every revision goes back on data, and what the older tables can hold stays equal all the way down and up."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from actors.tiers import pack
from actors.tiers.steps import Movers
from schema.database import across_tenants, migrate, migration_config, open_engine, transaction, validate
from schema.database.engine import make_engine
from schema.database.roles import become_migrator
from schema.events import CameraEvent, Checkpoint, Coverage, Crossing, Delivery
from schema.partitions import maintain
from schema.queries import alerts, cameras, jobs, leases, models, users
from schema.queries.alerts import Alert
from schema.queries.cameras import Camera
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns
from schema.users import User
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import crossing, delivery, u_turn

pytestmark = pytest.mark.integration

NOW = datetime(2026, 9, 21, 15, tzinfo=UTC)
DAY = timedelta(days=1)
# By the columns of the first revision: what came later has nowhere to go.
_SURVIVING = {
    "cameras": "id, name, status, enabled, playback, detect_fps, config, created_at, removed_at",
    "zones": "id, camera_id, name, type, coordinates, version, flip, anchor, u_turn_s, created_at, retired_at",
    "leases": "camera_id, holder, epoch, granted_at, expires_at",
    "streams": "camera_id, epoch, started_at, is_file, checkpoint, state, finished",
    "coverage": "camera_id, epoch, from_at, to_at",
    "crossings": "occurred_at, event_id, camera_id, epoch, zone_id, track_id, kind, direction, cause, ordinal, frame,"
    " confirmed_at, confidence, x, y, undoes, undoes_at, dwell_s, model",
    "zone_totals": "zone_id, revision, count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s",
    "camera_events": "timestamp, event_id, camera_id, event_type, data",
}
_MINUTES = (
    "select camera_id, zone_id, bucket, sum(count_in), sum(count_out), sum(effective_in), sum(effective_out),"
    " sum(appeared), sum(lost), sum(dwell_s) from {} group by camera_id, zone_id, bucket order by 1, 2, 3"
)


@pytest.fixture
def filled(services, tmp_path: Path) -> Iterator[str]:
    """A database with something of everything, stored by the program's own code."""
    with psycopg.connect(services.postgres.url, autocommit=True) as connection:
        connection.execute("create database on_data")
        dsn = urlunsplit(urlsplit(services.postgres.url)._replace(path="/on_data"))
        try:
            migrate(dsn)
            engine, store = open_engine(dsn), PostgresStore(dsn)
            _fill(engine, store, tmp_path)
            store.close()
            engine.dispose()
            yield dsn
        finally:
            connection.execute("drop database on_data with (force)")


def _fill(engine: Engine, store: PostgresStore, folder: Path) -> None:
    under_test = PostgresUnderTest(store, engine)
    for camera in (under_test.camera(), under_test.camera()):
        store.commit(_deliveries(camera))
    list(maintain(engine, to_ns(NOW)))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        secret = cameras.add(session, Camera(name="secret", source="rtsp://user:password@10.0.0.1/stream"))
        somebody = users.add(session, User(username="anna", email="anna@example.org", role="operator"))
        leases.grant(session, secret.id, holder="somebody", ttl_s=60)
        alerts.raise_(session, Alert(type="offline", severity="warning", message="away", raised_ns=to_ns(NOW)))
        asked = {"what": "crossings", "from": "2026-09-01T00:00Z", "to": "2026-09-02T00:00Z"}
        jobs.request(session, "export", asked, requested_by=somebody.id)
    with across_tenants(engine) as session:
        models.activate(session, models.register(session, name="yolo11n", version="1", config={}), now_ns=to_ns(NOW))
    movers = Movers(
        engine=engine, files=open_storage(StorageSettings(url=folder.as_uri())), now_ns=to_ns(NOW), tell=lambda _: None
    )
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        due = pack.due(session, before=(NOW - 5 * DAY).date())
    for day in due:
        pack.pack_day(movers, DEFAULT_TENANT_ID, day)
    # Late: it comes after its day was packed.
    late = crossing(Watched(id=1, line=1, zone=2, lease_epoch=1), 99)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert session.scalar(text("select count(*) from packed_days")) > 0
    store.commit([delivery(Watched(id=1, line=1, zone=2, lease_epoch=1), [_at(late, NOW - 40 * DAY)])])


def _deliveries(camera: Watched) -> list[Delivery]:
    moments = [NOW, NOW - DAY, NOW - 40 * DAY, NOW - 400 * DAY, datetime(1970, 1, 1, tzinfo=UTC)]
    seen = [_at(crossing(camera, 10 + n), moment) for n, moment in enumerate(moments)]
    dwelt = _at(crossing(camera, 30, zone=True, direction="out", dwell_s=4.25), NOW - 40 * DAY)
    event = CameraEvent(
        event_id=UUID(int=camera.id), camera_id=camera.id, event_type="lost", occurred_ns=to_ns(NOW), data={"a": 1}
    )
    covered = Coverage(camera_id=camera.id, epoch="e", from_ns=to_ns(NOW - DAY), to_ns=to_ns(NOW))
    checkpoint = Checkpoint(epoch="e", seq=7, state=b"state")
    first = delivery(camera, [*seen, dwelt], events=(event,), coverage=(covered,), checkpoint=checkpoint, is_file=True)
    return [first, delivery(camera, u_turn(camera))]


def _at(seen: Crossing, moment: datetime) -> Crossing:
    return replace(seen, occurred_ns=to_ns(moment), confirmed_ns=to_ns(moment))


def surviving(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    """What every revision can hold, as a superuser sees it."""
    with psycopg.connect(dsn) as connection:
        found = {
            table: connection.execute(f"select {columns} from {table} order by {columns.split(', data')[0]}").fetchall()
            for table, columns in _SURVIVING.items()
        }
        has_tiers = connection.execute("select to_regclass('counts_all') is not null").fetchone() == (True,)
        minutes = connection.execute(_MINUTES.format("counts_all" if has_tiers else "counting_results")).fetchall()
        return {**found, "minutes": minutes}


def go_to(dsn: str, revision: str) -> None:
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.begin() as connection:
        become_migrator(connection)
        command.downgrade(migration_config(connection), revision)
    engine.dispose()


def revisions(dsn: str) -> list[str]:
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.begin() as connection:
        scripts = ScriptDirectory.from_config(migration_config(connection))
    engine.dispose()
    return [script.revision for script in scripts.walk_revisions()]


def test_every_revision_goes_back_and_forth_on_data_and_loses_nothing_that_it_can_hold(filled: str):
    before = surviving(filled)
    assert all(before.values())
    for revision in revisions(filled)[1:]:
        go_to(filled, revision)
        assert surviving(filled) == before, revision
        migrate(filled)
        assert surviving(filled) == before, revision
        assert validate(filled) == ()
        go_to(filled, revision)
    assert migrate(filled).is_current
    assert surviving(filled) == before
    assert validate(filled) == ()


def test_after_the_way_down_and_up_again_the_program_goes_on_where_it_was(filled: str):
    go_to(filled, "0001")
    migrate(filled)
    engine, store = open_engine(filled), PostgresStore(filled)
    before = surviving(filled)
    camera = Watched(id=1, line=1, zone=2, lease_epoch=1)
    assert store.commit(_deliveries(camera)).crossings == ()
    assert surviving(filled) == before
    assert any(outcome.moved for outcome in maintain(engine, to_ns(NOW)))
    assert surviving(filled) == before
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert "rtsp://user:password@10.0.0.1/stream" in {camera.source for camera in cameras.listing(session)}
    store.close()
    engine.dispose()
