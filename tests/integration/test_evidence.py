"""Pictures of crossings on real PostgreSQL and a real S3 server: each beside its crossing, once, or not at all."""

import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from actors.worker import keeper as keeping
from actors.worker.keeper import PictureKeeper
from schema.database import open_engine, transaction
from schema.errors import StoreUnavailable
from schema.events import Crossing, Delivery
from schema.evidence import Evidence, TrajectoryPoint
from schema.geometry import Scene, parse_line
from schema.queries import cameras, evidence, leases
from schema.queries.cameras import Camera
from schema.settings import StorageSettings
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from tests.contracts.test_files import bucket_settings
from tests.integration.api_server import assert_problem, running_api

pytestmark = pytest.mark.integration

NOON_NS = 1_795_435_200 * 10**9
BOX = (0.25, 0.25, 0.5, 0.75)
PATH = (TrajectoryPoint(after_ms=-500, x=0.25, y=0.75), TrajectoryPoint(after_ms=250, x=0.5, y=0.75))


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture
def storage(s3) -> StorageSettings:
    s3.make_bucket(bucket := f"evidence-{uuid4().hex[:8]}")
    return bucket_settings(s3, bucket)


@pytest.fixture(scope="module")
def counted(engine, dsn):
    """Stores a crossing of a camera's line, and gives it."""
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),))
        camera = cameras.add(session, Camera(name="lobby", source="x.mp4", scene=scene))
        lease = leases.grant(session, camera.id, holder="test", ttl_s=60)
    store = PostgresStore(dsn)
    (door,) = camera.scene.lines

    def make(event_id: UUID | None = None, *, stored: bool = True) -> Crossing:
        crossing = Crossing(
            event_id=event_id or uuid4(),
            camera_id=camera.id,
            epoch="e",
            track_id=1,
            kind="line",
            rule="door",
            rule_id=door.id,
            direction="in",
            ordinal=0,
            frame=1,
            occurred_ns=NOON_NS,
            confirmed_ns=NOON_NS,
            confidence=0.9,
            x=0.5,
            y=0.5,
            model="a model",
        )
        if stored:
            store.commit(
                [
                    Delivery(
                        camera_id=camera.id,
                        lease_epoch=lease.epoch,
                        epoch="e",
                        started_ns=NOON_NS,
                        is_file=True,
                        crossings=(crossing,),
                    )
                ]
            )
        return crossing

    yield make
    store.close()


def picture_of(crossing: Crossing, jpeg: bytes = b"a picture", **changes: object) -> Evidence:
    taken = Evidence(
        tenant_id=DEFAULT_TENANT_ID,
        event_id=crossing.event_id,
        occurred_ns=crossing.occurred_ns,
        seen_ns=crossing.confirmed_ns + 250_000_000,
        box=BOX,
        trajectory=PATH,
        jpeg=jpeg,
    )
    return replace(taken, **changes)


def rows(engine: Engine, table: str) -> int:
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return session.scalar(text(f"select count(*) from {table}"))


def test_a_crossing_has_its_picture_with_the_rule_and_the_model_that_counted(engine, dsn, services, storage, counted):
    crossing = counted()
    keeper = PictureKeeper(open_storage(storage), engine)
    keeper.take(picture_of(crossing))
    assert keeper.store_once(time.monotonic()) == 1
    with running_api(dsn, services.endpoints.redis_url, storage) as api:
        path = f"/api/v1/crossings/{crossing.event_id}/evidence"
        answer = api.http.get(path).json()
        image = api.http.get(answer["image"])
        direct = api.http.get(answer.pop("url"))
    assert answer == {
        "event_id": str(crossing.event_id),
        "occurred_at": "2026-11-23T12:00:00Z",
        "camera_id": crossing.camera_id,
        "rule": "door",
        "rule_id": crossing.rule_id,
        "rule_version": 1,
        "model": "a model",
        "seen_at": "2026-11-23T12:00:00.250000Z",
        "box": list(BOX),
        "trajectory": [{"after_ms": -500, "x": 0.25, "y": 0.75}, {"after_ms": 250, "x": 0.5, "y": 0.75}],
        "mime_type": "image/jpeg",
        "size": 9,
        "image": f"{path}/image",
    }
    assert (image.content, image.headers["content-type"]) == (b"a picture", "image/jpeg")
    assert direct.content == b"a picture"


def test_without_a_picture_there_is_a_problem(dsn, services, storage, counted):
    crossing = counted()
    with running_api(dsn, services.endpoints.redis_url, storage) as api:
        for path in ("evidence", "evidence/image"):
            answer = api.http.get(f"/api/v1/crossings/{crossing.event_id}/{path}")
            assert_problem(answer, 404, "there is no picture of crossing", str(crossing.event_id))
        assert_problem(api.http.get("/api/v1/crossings/7/evidence"), 422)


def test_a_picture_waits_for_its_crossing(engine, storage, counted):
    early = counted(stored=False)
    keeper = PictureKeeper(open_storage(storage), engine)
    keeper.take(picture_of(early, b"early"))
    assert keeper.store_once(time.monotonic()) == 0
    assert keeper.stats.waiting == 1
    counted(early.event_id)
    assert keeper.store_once(time.monotonic()) == 1
    assert (keeper.stats.waiting, keeper.stats.stored) == (0, 1)


def test_the_picture_of_a_crossing_that_was_refused_is_given_up_and_counted(engine, storage, counted):
    files = open_storage(storage)
    keeper = PictureKeeper(files, engine)
    keeper.take(picture_of(counted(stored=False), b"refused"))
    keeper.store_once(time.monotonic())
    keeper.store_once(time.monotonic() + keeping.PATIENCE_S)
    assert keeper.stats == keeping.KeeperStats(stored=0, dropped=1, waiting=0)
    assert [info for folder in range(256) for info in files.list(f"{folder:02x}")] == []


def test_a_second_picture_of_a_crossing_changes_nothing(engine, storage, counted):
    crossing = counted()
    keeper = PictureKeeper(open_storage(storage), engine)
    keeper.take(picture_of(crossing, b"first"))
    keeper.store_once(time.monotonic())
    before = rows(engine, "evidence"), rows(engine, "files")
    keeper.take(picture_of(crossing, b"second"))
    assert keeper.store_once(time.monotonic()) == 1
    assert (rows(engine, "evidence"), rows(engine, "files")) == before
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert evidence.of_crossing(session, crossing.event_id).size == len(b"first")


def test_two_crossings_with_the_same_picture_share_a_file(engine, storage, counted):
    keeper = PictureKeeper(open_storage(storage), engine)
    before = rows(engine, "evidence"), rows(engine, "files")
    for _ in range(2):
        keeper.take(picture_of(counted(), b"the same"))
    assert keeper.store_once(time.monotonic()) == 2
    assert (rows(engine, "evidence"), rows(engine, "files")) == (before[0] + 2, before[1] + 1)


def test_pictures_wait_for_a_storage_that_is_away_and_the_oldest_give_way(engine, storage, counted, s3_door):
    away = storage.model_copy(update={"endpoint": f"http://127.0.0.1:{s3_door.port}"})
    keeper = PictureKeeper(open_storage(away), engine, waiting=3)
    s3_door.shut()
    crossings = [counted() for _ in range(5)]
    for number, crossing in enumerate(crossings):
        keeper.take(picture_of(crossing, f"waiting {number}".encode()))
    with pytest.raises(StoreUnavailable):
        keeper.store_once(time.monotonic())
    assert keeper.stats == keeping.KeeperStats(stored=0, dropped=2, waiting=3)
    s3_door.open()
    assert keeper.store_once(time.monotonic()) == 3
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert [evidence.of_crossing(session, crossing.event_id).size for crossing in crossings[2:]] == [9, 9, 9]


def test_another_tenant_neither_sees_nor_makes_a_picture_of_a_crossing(engine, storage, counted):
    crossing = counted()
    keeper = PictureKeeper(open_storage(storage), engine)
    keeper.take(picture_of(crossing, b"stranger", tenant_id=2))
    assert keeper.store_once(time.monotonic()) == 0
    keeper.take(picture_of(crossing, b"ours"))
    keeper.store_once(time.monotonic())
    with transaction(engine, 2) as session:
        assert session.scalar(text("select count(*) from evidence")) == 0
        assert session.scalar(text("select count(*) from files")) == 0


def test_a_damaged_picture_is_not_shown(engine, dsn, services, storage, counted):
    crossing = counted()
    files = open_storage(storage)
    keeper = PictureKeeper(files, engine)
    keeper.take(picture_of(crossing, b"about to be damaged"))
    keeper.store_once(time.monotonic())
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        files.write(evidence.of_crossing(session, crossing.event_id).path, b"something else")
    with running_api(dsn, services.endpoints.redis_url, storage) as api:
        assert_problem(api.http.get(f"/api/v1/crossings/{crossing.event_id}/evidence/image"), 500)
