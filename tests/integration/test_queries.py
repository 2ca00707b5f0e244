from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from actors.sinks.postgres import PostgresStore
from schema.database import open_engine, owner_transaction, transaction
from schema.errors import BadInput
from schema.events import Coverage, Delivery, Totals
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras, counts, crossings, leases, streams, totals
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from tests.contracts.stores import PostgresUnderTest, Watched
from tests.contracts.test_store import BEGIN_NS, crossing, delivery

pytestmark = pytest.mark.integration

S = 10**9
DOOR = parse_line("door=0.5,0,0.5,1")
HALL = parse_zone("hall=0.1,0.1,0.9,0.1,0.5,0.9")


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    engine = open_engine(dsn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    with owner_transaction(engine) as connection:
        connection.execute(text("truncate cameras cascade"))


@pytest.fixture
def watched(engine: Engine, store: PostgresStore) -> Watched:
    return PostgresUnderTest(store, engine).camera()


# Cameras and scenes


def test_a_camera_comes_back_as_it_was_stored(engine: Engine):
    given = Camera(
        name="front",
        source="rtsp://user:secret@10.0.0.1/1",
        friendly_name="Front door",
        ip_address="10.0.0.1",
        playback="recorded",
        detect_fps=None,
        started_ns=BEGIN_NS,
        evidence=False,
        config={"recording": "abc"},
        scene=Scene(lines=(replace(DOOR, flip=True, anchor="center", u_turn_s=3.5),), zones=(HALL,)),
    )
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        stored = cameras.add(session, given)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert cameras.get(session, stored.id) == cameras.by_name(session, "front") == stored
    rules = tuple(replace(rule, id=0) for rule in stored.scene.rules)
    assert rules == given.scene.rules
    assert replace(stored, id=0, scene=given.scene) == given
    assert "secret" not in repr(stored)


def test_only_an_edited_rule_becomes_a_new_version(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        before = cameras.add(session, Camera(name="a", source="a.mp4", scene=Scene(lines=(DOOR,), zones=(HALL,))))
        turned = Scene(lines=(replace(DOOR, flip=True),), zones=(HALL,))
        after = cameras.change(session, replace(before, scene=turned))
        assert after.scene.zones == before.scene.zones
        assert after.scene.lines[0].version == 2
        assert after.scene.lines[0].id != before.scene.lines[0].id

        cameras.change(session, replace(after, scene=Scene()))
        again = cameras.change(session, replace(after, scene=Scene(lines=(DOOR,))))
        assert again.scene.lines[0].version == 3


def test_workers_are_told_of_enabled_cameras_only(engine: Engine):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.add(session, Camera(name="off", source="a.mp4", enabled=False))
        on = cameras.add(session, Camera(name="on", source="b.mp4", scene=Scene(lines=(DOOR,))))
        assert cameras.specs(session) == [on.spec]
        assert [camera.name for camera in cameras.listing(session)] == ["off", "on"]


def test_a_removed_camera_frees_its_name_and_keeps_its_history(engine: Engine, store: PostgresStore, watched: Watched):
    store.commit([delivery(watched, [crossing(watched, 1)])])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        name = cameras.get(session, watched.id).name
        cameras.remove(session, watched.id)
        assert cameras.listing(session) == []
        assert cameras.put(session, Camera(name=name, source="new.mp4")).id != watched.id
        assert len(crossings.page(session, camera_id=watched.id).crossings) == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Camera(name="taken", source="x"), "'taken' is taken"),
        (Camera(name="two words", source="x"), "take 1 to 64 letters"),
        (Camera(name="a", source=""), "has no source"),
        (Camera(name="a", source="x", ip_address="10.0.0"), "give an IP address"),
        (Camera(name="a", source="x", detect_fps=0), "give more than 0"),
    ],
)
def test_an_impossible_camera_is_refused_in_one_sentence(engine: Engine, wrong: Camera, says: str):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.add(session, Camera(name="taken", source="x"))
    with pytest.raises(BadInput, match=says), transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.add(session, wrong)


def test_what_is_not_there_is_said_by_name(engine: Engine):
    for ask in (cameras.get, cameras.remove):
        with pytest.raises(BadInput, match="no camera 404"), transaction(engine, DEFAULT_TENANT_ID) as session:
            ask(session, 404)
    with pytest.raises(BadInput, match="no camera 'nowhere'"), transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.by_name(session, "nowhere")


# Leases and streams


def test_a_lease_is_renewed_by_its_holder_only(engine: Engine, watched: Watched):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        first = leases.grant(session, watched.id, holder="one", ttl_s=60)
        second = leases.grant(session, watched.id, holder="two", ttl_s=60)
        assert second.epoch == first.epoch + 1
        assert second.granted_ns > first.granted_ns
        assert leases.renew(session, {watched.id: first.epoch}, ttl_s=60) == set()
        assert leases.renew(session, {watched.id: second.epoch}, ttl_s=60) == {watched.id}
        assert [lease.holder for lease in leases.in_force(session)] == ["two"]
        assert leases.expired(session) == []
        leases.end(session, {watched.id: second.epoch})
        assert leases.in_force(session, [watched.id]) == []
        assert [lease.epoch for lease in leases.expired(session, [watched.id])] == [second.epoch]


def test_the_same_file_again_finds_its_first_start(engine: Engine, watched: Watched):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        first = streams.start(session, watched.id, "abc", started_ns=BEGIN_NS, is_file=True)
        again = streams.start(session, watched.id, "abc", started_ns=BEGIN_NS + 5 * S, is_file=True)
        assert again == first
        assert first.checkpoint is None
        assert streams.unfinished(session) == [first]
        assert streams.get(session, watched.id, "other") is None


# Counts


def coverage(camera: Watched, from_s: float, to_s: float, epoch: str = "e") -> Coverage:
    return Coverage(
        camera_id=camera.id, epoch=epoch, from_ns=BEGIN_NS + round(from_s * S), to_ns=BEGIN_NS + round(to_s * S)
    )


def test_every_count_says_how_long_the_camera_was_watched(engine: Engine, store: PostgresStore, watched: Watched):
    other_epoch = Delivery(
        camera_id=watched.id,
        lease_epoch=watched.lease_epoch,
        epoch="f",
        started_ns=BEGIN_NS,
        is_file=False,
        coverage=(coverage(watched, 20, 90, epoch="f"),),
    )
    seen = [crossing(watched, 1, at_s=1), crossing(watched, 2, at_s=61), crossing(watched, 3, at_s=62, direction="out")]
    store.commit([delivery(watched, seen, coverage=(coverage(watched, -5, 30.5),)), other_epoch])

    with transaction(engine, DEFAULT_TENANT_ID) as session:
        asked = {"from_ns": BEGIN_NS, "to_ns": BEGIN_NS + 180 * S, "resolution": "minute"}
        found = counts.buckets(session, **asked)
        assert [(b.rule, (b.from_ns - BEGIN_NS) // S, b.totals.count_in, b.totals.count_out) for b in found] == [
            ("door", 0, 1, 0),
            ("door", 60, 1, 1),
        ]
        # Where two epochs overlap, a second counts once.
        assert [b.covered_s for b in found] == [60, 30]

        filled = counts.buckets(session, **asked, fill=True)
        assert [(b.rule, (b.from_ns - BEGIN_NS) // S, b.covered_s) for b in filled] == [
            (rule, at_s, covered_s) for rule in ("door", "hall") for at_s, covered_s in ((0, 60), (60, 30), (120, 0))
        ]


def test_longer_buckets_hold_the_same_sums(engine: Engine, store: PostgresStore, watched: Watched):
    store.commit([delivery(watched, [crossing(watched, i, at_s=47 * i) for i in range(30)])])
    for resolution in ("minute", "5min", "15min", "hour", "day"):
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            found = counts.buckets(session, from_ns=BEGIN_NS, to_ns=BEGIN_NS + 3600 * S, resolution=resolution)
        assert sum((b.totals for b in found), Totals()) == Totals(count_in=30, effective_in=30)
        assert all(b.from_ns % (counts.SECONDS[resolution] * S) == 0 for b in found)


def test_a_rule_keeps_its_history_over_an_edit(engine: Engine, store: PostgresStore, watched: Watched):
    store.commit([delivery(watched, [crossing(watched, 1)])])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.get(session, watched.id)
        edited = replace(camera.scene.lines[0], flip=True)
        after = cameras.change(session, replace(camera, scene=Scene(lines=(edited,))))
    new = replace(watched, line=after.scene.lines[0].id)
    # Still on its way when the line was edited.
    store.commit([delivery(watched, [crossing(watched, 2)]), delivery(new, [crossing(new, 3)])])

    with transaction(engine, DEFAULT_TENANT_ID) as session:
        found = counts.buckets(session, from_ns=BEGIN_NS, to_ns=BEGIN_NS + S, resolution="day", rules=["door"])
        assert [b.totals.count_in for b in found] == [3]
        live = {rule.totals.rule: rule.totals.totals.count_in for rule in totals.live(session, [watched.id])}
        assert live == {"door": 1}


@pytest.mark.parametrize(("seconds", "says"), [(0, "ends before it begins"), (60 * 200_000, "more than 100000")])
def test_an_impossible_time_is_refused(engine: Engine, seconds: int, says: str):
    with pytest.raises(BadInput, match=says), transaction(engine, DEFAULT_TENANT_ID) as session:
        counts.buckets(session, from_ns=BEGIN_NS, to_ns=BEGIN_NS + seconds * S, resolution="minute")


# Totals and resets


def test_a_reset_moves_the_occupancy_and_leaves_a_trace(engine: Engine, store: PostgresStore, watched: Watched):
    store.commit([delivery(watched, [crossing(watched, i, zone=True) for i in range(4)])])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        after = totals.reset_occupancy(session, watched.zone, people=1, reason="closing time")
    assert (after.occupancy, after.totals.count_in, after.revision) == (1, 4, 2)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        live = {rule.totals.rule_id: rule.totals for rule in totals.live(session)}
        assert live[watched.zone] == after
        assert live[watched.line].revision == 0
        event = session.execute(text("select event_type, data from camera_events")).one()
    assert event.event_type == totals.OCCUPANCY_RESET
    assert (event.data["from"], event.data["to"], event.data["reason"]) == (4, 1, "closing time")

    (told,) = store.commit([delivery(watched, [crossing(watched, 9, zone=True, direction="out")])]).totals
    assert told.occupancy == 0
    with pytest.raises(BadInput, match="no line or zone 404"), transaction(engine, DEFAULT_TENANT_ID) as session:
        totals.reset_occupancy(session, 404)


# Crossings


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_give_every_crossing_once_in_order(engine: Engine, store: PostgresStore, watched: Watched, order):
    # Five at the same instant: the time alone would not do as a cursor.
    seen = [crossing(watched, i, at_s=i // 5, dwell_s=0.1, undoes=None) for i in range(23)]
    store.commit([delivery(watched, seen)])
    met, cursor = [], None
    while True:
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            page = crossings.page(session, camera_id=watched.id, order=order, cursor=cursor, limit=4)
        met += page.crossings
        cursor = page.next_cursor
        if cursor is None:
            break
    assert {news.event_id: news for news in met} == {news.event_id: news for news in seen}
    assert len(met) == 23
    assert [news.occurred_ns for news in met] == sorted((news.occurred_ns for news in seen), reverse=order == "newest")


def test_crossings_are_chosen_by_time_rule_and_direction(engine: Engine, store: PostgresStore, watched: Watched):
    seen = [crossing(watched, i, at_s=i, zone=i == 2, direction="out" if i == 3 else "in") for i in range(5)]
    store.commit([delivery(watched, seen)])
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        page = crossings.page(
            session, from_ns=BEGIN_NS + S, to_ns=BEGIN_NS + 5 * S, rule="door", direction="in", order="oldest"
        )
    assert [news.track_id for news in page.crossings] == [1, 4]


@pytest.mark.parametrize("cursor", ["x", "ä", "MTcwMDAw", "LTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE"])
def test_a_made_up_cursor_is_refused(engine: Engine, cursor: str):
    with pytest.raises(BadInput, match="cursor"), transaction(engine, DEFAULT_TENANT_ID) as session:
        crossings.page(session, cursor=cursor)
