"""Lending cameras, on a real database."""

import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from sqlalchemy import Engine, select, text

from actors.sinks.postgres import PostgresStore
from cluster.catalogue import StoreCatalogue
from schema.database import open_engine, transaction
from schema.events import Crossing, Delivery
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import alerts, cameras, totals
from schema.queries.cameras import Camera
from schema.tables import CameraEventRow
from schema.tenants import DEFAULT_TENANT_ID

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


def enter(camera: Camera, rule_id: int, name: str, kind: str) -> Crossing:
    now_ns = time.time_ns()
    return Crossing(
        event_id=uuid4(),
        camera_id=camera.id,
        epoch="e",
        track_id=1,
        kind="zone" if kind == "zone" else "line",
        rule=name,
        rule_id=rule_id,
        direction="in",
        ordinal=0,
        frame=1,
        occurred_ns=now_ns,
        confirmed_ns=now_ns,
        confidence=0.9,
        x=0.5,
        y=0.5,
    )


def test_whoever_takes_over_a_live_camera_starts_with_nobody_in_its_zones(dsn: str, engine: Engine):
    scene = Scene(lines=(parse_line("door=0,0,1,1"),), zones=(parse_zone("hall=0,0,1,0,1,1"),))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.add(session, Camera(name="lobby", source="rtsp://camera", scene=scene))
    with closing(StoreCatalogue(dsn, live=True)) as catalogue:
        lease_epoch = catalogue.lend(camera.spec, "worker-0").lease_epoch
    door, hall = camera.scene.rules
    entered = (enter(camera, door.id, "door", "line"), enter(camera, hall.id, "hall", "zone"))
    delivery = Delivery(
        camera_id=camera.id,
        lease_epoch=lease_epoch,
        epoch="e",
        started_ns=time.time_ns(),
        is_file=False,
        crossings=entered,
    )
    with closing(PostgresStore(dsn)) as store:
        store.commit([delivery])

    with closing(StoreCatalogue(dsn, live=True)) as catalogue:
        catalogue.lend(camera.spec, "worker-1")

    with transaction(engine, DEFAULT_TENANT_ID) as session:
        live = {rule.totals.rule: rule.totals for rule in totals.live(session)}
        event_type, data = session.execute(select(CameraEventRow.event_type, CameraEventRow.data)).one()
    assert (live["hall"].occupancy, live["hall"].totals.count_in) == (0, 1)
    assert live["door"].occupancy == 1
    assert event_type == "occupancy_reset"
    assert data | {"rule_id": 0} == {
        "rule": "hall",
        "rule_id": 0,
        "from": 1,
        "to": 0,
        "reason": "worker-1 starts to watch",
    }


def test_a_live_camera_that_stays_away_raises_an_alert(dsn: str, engine: Engine):
    now_ns = time.time_ns()
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.add(session, Camera(name="gate", source="rtsp://gate"))
        session.execute(
            text("update cameras set status = 'lost', status_at = now() - interval '1 minute' where id = :id"),
            {"id": camera.id},
        )
    with closing(StoreCatalogue(dsn, live=True)) as catalogue:
        catalogue.follow_cameras(now_ns)
        catalogue.follow_cameras(now_ns)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert [alert.camera_id for alert in alerts.listing(session)] == [camera.id]
