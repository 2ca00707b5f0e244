"""The query API on real PostgreSQL and Redis: what it stores, what it answers, what it refuses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from actors.sinks.postgres import PostgresStore
from schema.database import open_engine, transaction
from schema.events import Coverage, Crossing, Delivery
from schema.queries import leases
from schema.tenants import DEFAULT_TENANT_ID
from tests.integration.api_server import Api, assert_problem, running_api, wait_until

if TYPE_CHECKING:
    from cluster.services import Services

pytestmark = pytest.mark.integration

DOOR = {"kind": "line", "coordinates": [0.5, 0, 0.5, 1]}
HALL = {"kind": "zone", "coordinates": [0.1, 0.1, 0.9, 0.1, 0.5, 0.9]}
NOON_NS = 1_795_435_200 * 10**9
SECOND_NS = 10**9


@pytest.fixture(scope="module")
def api(services: "Services", dsn: str) -> Iterator[Api]:
    with running_api(dsn, services.endpoints.redis_url) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(api: Api) -> Iterator[None]:
    yield
    for camera in api.http.get("/api/v1/cameras").json():
        api.http.delete(f"/api/v1/cameras/{camera['name']}")


def crossing(rule: dict[str, Any], camera_id: int, at_s: float, direction: str = "in", **fields: Any) -> Crossing:
    return Crossing(
        **{
            "event_id": uuid4(),
            "camera_id": camera_id,
            "epoch": "e1",
            "track_id": 1,
            "kind": rule["kind"],
            "rule": rule["name"],
            "rule_id": rule["id"],
            "direction": direction,
            "ordinal": 0,
            "frame": 1,
            "occurred_ns": NOON_NS + int(at_s * SECOND_NS),
            "confirmed_ns": NOON_NS + int(at_s * SECOND_NS) + 250_000_000,
            "confidence": 0.9,
            "x": 0.5,
            "y": 0.5,
            "model": "test",
            **fields,
        }
    )


def commit(dsn: str, camera_id: int, crossings: list[Crossing], coverage: tuple[float, float] | None = None) -> None:
    """Store crossings, and an interval of seconds after noon in which the camera was watched."""
    engine = open_engine(dsn, pool_size=1)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        lease = leases.grant(session, camera_id, holder="test", ttl_s=60.0)
    engine.dispose()
    watched = ()
    if coverage:
        start, end = (NOON_NS + int(at * SECOND_NS) for at in coverage)
        watched = (Coverage(camera_id=camera_id, epoch="e1", from_ns=start, to_ns=end),)
    store = PostgresStore(dsn)
    store.commit(
        [
            Delivery(
                camera_id=camera_id,
                lease_epoch=lease.epoch,
                epoch="e1",
                started_ns=NOON_NS,
                is_file=True,
                crossings=tuple(crossings),
                coverage=watched,
            )
        ]
    )
    store.close()


# Cameras


def test_a_camera_is_added_shown_listed_and_removed(api: Api) -> None:
    added = api.http.post(
        "/api/v1/cameras",
        json={
            "name": "lobby",
            "source": "rtsp://viewer:geheim@10.0.0.7/1",
            "friendly_name": "Lobby, north",
            "lines": {"door": [0.5, 0, 0.5, 1]},
            "zones": {"hall": {"coordinates": HALL["coordinates"], "anchor": "center"}},
        },
    )
    assert added.status_code == 201
    assert added.headers["location"] == "/api/v1/cameras/lobby"
    camera = added.json()
    assert camera["source"] == "rtsp://***@10.0.0.7/1"
    assert camera["lines"]["door"]["version"] == 1
    assert camera["zones"]["hall"]["anchor"] == "center"
    assert api.http.get("/api/v1/cameras/lobby").json() == camera
    assert api.http.get("/api/v1/cameras").json() == [camera]
    assert api.http.delete("/api/v1/cameras/lobby").status_code == 204
    assert api.http.get("/api/v1/cameras").json() == []
    assert_problem(api.http.get("/api/v1/cameras/lobby"), 404, "'lobby'")


def test_putting_a_camera_twice_changes_nothing_the_second_time(api: Api) -> None:
    body = {"source": "lobby.mp4", "detect_fps": "all", "evidence": False, "lines": {"door": [0.5, 0, 0.5, 1]}}
    first = api.http.put("/api/v1/cameras/lobby", json=body)
    second = api.http.put("/api/v1/cameras/lobby", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert (first.json()["detect_fps"], first.json()["evidence"]) == ("all", False)


def test_a_change_without_lines_and_zones_keeps_them(api: Api) -> None:
    added = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    changed = api.http.put("/api/v1/cameras/lobby", json={"source": "other.mp4", "enabled": False}).json()
    assert changed["lines"] == added["lines"]
    assert (changed["source"], changed["enabled"]) == ("other.mp4", False)
    emptied = api.http.put("/api/v1/cameras/lobby", json={"source": "other.mp4", "lines": {}}).json()
    assert emptied["lines"] == {}


def test_an_answered_source_can_be_put_back_without_losing_its_password(api: Api, dsn: str) -> None:
    api.add_camera("lobby", source="rtsp://viewer:geheim@10.0.0.7/1")
    shown = api.http.get("/api/v1/cameras/lobby").json()["source"]
    changed = api.http.put("/api/v1/cameras/lobby", json={"source": shown, "friendly_name": "x"})
    assert changed.status_code == 200
    engine = open_engine(dsn, pool_size=1)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        assert stored_source(session) == "rtsp://viewer:geheim@10.0.0.7/1"
    engine.dispose()
    assert_problem(
        api.http.put("/api/v1/cameras/lobby", json={"source": "rtsp://***@elsewhere/1"}), 422, "password is hidden"
    )


def stored_source(session: Any) -> str:
    from schema.queries import cameras

    return cameras.by_name(session, "lobby").source


# Lines and zones


def test_a_line_is_added_edited_into_a_new_version_and_removed(api: Api) -> None:
    api.add_camera("lobby")
    zones = "/api/v1/cameras/lobby/zones"
    added = api.http.post(zones, json={"name": "door", **DOOR})
    assert added.status_code == 201
    assert added.headers["location"] == f"{zones}/door"
    same = api.http.put(f"{zones}/door", json=DOOR)
    assert (same.status_code, same.json()) == (200, added.json())
    edited = api.http.put(f"{zones}/door", json={**DOOR, "flip": True}).json()
    assert (edited["version"], edited["flip"]) == (2, True)
    assert edited["id"] != added.json()["id"]
    versions = api.http.get(f"{zones}/door/versions").json()
    assert [version["version"] for version in versions] == [2, 1]
    assert versions[0]["retired_at"] is None
    assert versions[1]["retired_at"].endswith("Z")
    assert api.http.get(f"{zones}/door").json() == edited
    assert api.http.delete(f"{zones}/door").status_code == 204
    assert_problem(api.http.get(f"{zones}/door"), 404, "'door'")
    assert api.http.get(zones).json() == []


def test_an_edit_of_one_rule_leaves_the_others_alone(api: Api) -> None:
    before = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1], "gate": [0, 0.5, 1, 0.5]})
    created = api.http.put("/api/v1/cameras/lobby/zones/front hall", json=HALL)
    assert created.status_code == 201
    after = api.http.get("/api/v1/cameras/lobby").json()
    assert after["lines"] == before["lines"]
    assert list(after["zones"]) == ["front hall"]


# Counts, crossings, occupancy


def test_counts_stand_beside_the_time_in_which_the_camera_was_watched(api: Api, dsn: str) -> None:
    camera = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    door = camera["lines"]["door"]
    first = crossing(door, camera["id"], 10)
    undone = crossing(door, camera["id"], 70, "out", undoes=first.event_id, undoes_ns=first.occurred_ns, ordinal=1)
    commit(dsn, camera["id"], [first, undone, crossing(door, camera["id"], 20)], coverage=(0, 90))
    query = {"camera": "lobby", "from": "2026-11-23T12:00:00Z", "to": "2026-11-23T12:03:00Z"}
    counted = api.http.get("/api/v1/counts", params=query).json()
    picked = [
        (b["from"], b["count_in"], b["count_out"], b["effective_in"], b["effective_out"], b["covered_s"])
        for b in counted["buckets"]
    ]
    assert picked == [
        ("2026-11-23T12:00:00Z", 2, 0, 1, 0, 60.0),
        ("2026-11-23T12:01:00Z", 0, 1, 0, 0, 30.0),
        ("2026-11-23T12:02:00Z", 0, 0, 0, 0, 0.0),
    ]
    hours = api.http.get("/api/v1/counts", params={**query, "resolution": "hour", "zone": "door"}).json()["buckets"]
    assert [(b["count_in"], b["count_out"], b["covered_s"]) for b in hours] == [(2, 1, 90.0)]
    bare = api.http.get("/api/v1/counts", params={**query, "fill": "false"}).json()["buckets"]
    assert len(bare) == 2


def test_crossings_come_in_pages_that_neither_repeat_nor_skip(api: Api, dsn: str) -> None:
    camera = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    door = camera["lines"]["door"]
    stored = [crossing(door, camera["id"], at, "in" if at % 2 else "out") for at in range(7)]
    commit(dsn, camera["id"], stored)
    seen: list[str] = []
    query: dict[str, Any] = {"camera": "lobby", "limit": 3, "order": "oldest"}
    while True:
        page = api.http.get("/api/v1/crossings", params=query).json()
        seen += [event["event_id"] for event in page["crossings"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [str(event.event_id) for event in stored]
    inward = api.http.get("/api/v1/crossings", params={"direction": "in", "camera": "lobby"}).json()["crossings"]
    assert [event["occurred_at"] for event in inward] == [
        "2026-11-23T12:00:05Z",
        "2026-11-23T12:00:03Z",
        "2026-11-23T12:00:01Z",
    ]
    span = {"from": "2026-11-23T12:00:02Z", "to": "2026-11-23T12:00:04Z", "zone": "door", "camera": "lobby"}
    assert len(api.http.get("/api/v1/crossings", params=span).json()["crossings"]) == 2


def test_occupancy_is_a_signed_sum_and_a_reset_corrects_it(api: Api, dsn: str) -> None:
    camera = api.add_camera("lobby", zones={"hall": HALL["coordinates"]})
    hall = camera["zones"]["hall"]
    commit(dsn, camera["id"], [crossing(hall, camera["id"], 1, "out", ordinal=0)])

    def now() -> dict[str, Any]:
        return api.http.get("/api/v1/occupancy", params={"camera": "lobby", "zone": "hall"}).json()["rules"][0]

    wait_until(lambda: now()["occupancy"] == -1)
    reset = api.http.post("/api/v1/cameras/lobby/zones/hall/occupancy", json={"people": 4, "reason": "counted"})
    assert reset.json()["occupancy"] == 4
    assert reset.json()["count_out"] == 1
    wait_until(lambda: now()["occupancy"] == 4)


# What is refused


BAD_RULES = [
    ({"kind": "line", "coordinates": [0.5, 0.5, 0.5, 0.5]}, "same point"),
    ({"kind": "line", "coordinates": [0.5, 0.5, 1.5, 0.5]}, "outside 0..1"),
    ({"kind": "line", "coordinates": [0.5, 0.5]}, "four numbers"),
    ({"kind": "line", "coordinates": ["a", 0, 1, 1]}, "number"),
    ({"kind": "zone", "coordinates": [0.1, 0.1, 0.9, 0.9, 0.9, 0.1, 0.1, 0.9]}, "crosses itself"),
    ({"kind": "zone", "coordinates": [0.1, 0.1, 0.9, 0.9]}, "three"),
    ({"kind": "circle", "coordinates": [0.1, 0.1]}, "kind"),
    ({"coordinates": [0.5, 0, 0.5, 1]}, "kind"),
    ({"kind": "line", "coordinates": [0.5, 0, 0.5, 1], "flipp": True}, "flip"),
    ({"kind": "line", "coordinates": [0.5, 0, 0.5, 1], "u_turn_s": -1}, "u_turn_s"),
]


@pytest.mark.parametrize(("body", "word"), BAD_RULES)
def test_an_impossible_line_or_zone_is_refused_and_nothing_is_written(
    api: Api, body: dict[str, Any], word: str
) -> None:
    before = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    assert_problem(api.http.put("/api/v1/cameras/lobby/zones/door", json=body), 422, word)
    assert_problem(api.http.post("/api/v1/cameras/lobby/zones", json={"name": "new", **body}), 422, word)
    assert api.http.get("/api/v1/cameras/lobby").json() == before


def test_a_camera_with_one_bad_line_is_refused_whole(api: Api) -> None:
    lines = {"door": [0.5, 0, 0.5, 1], "gate": [0.5, 0.5, 0.5, 0.5]}
    for answer in (
        api.http.put("/api/v1/cameras/lobby", json={"source": "a.mp4", "lines": lines}),
        api.http.post("/api/v1/cameras", json={"name": "lobby", "source": "a.mp4", "lines": lines}),
    ):
        assert_problem(answer, 422, "'gate'", "same point")
    assert api.http.get("/api/v1/cameras").json() == []


def test_a_name_used_twice_is_refused(api: Api) -> None:
    api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    assert_problem(api.http.post("/api/v1/cameras", json={"name": "lobby", "source": "a.mp4"}), 409, "'lobby'")
    assert_problem(api.http.post("/api/v1/cameras/lobby/zones", json={"name": "door", **DOOR}), 409, "'door'")
    twice = {"source": "a.mp4", "lines": {"x": [0, 0, 1, 1]}, "zones": {"x": HALL["coordinates"]}}
    assert_problem(api.http.put("/api/v1/cameras/yard", json=twice), 422, "'x'", "2 times")


@pytest.mark.parametrize("name", ["a b", "-x", "ü!", "x" * 65, "nul\x00"])
def test_an_unusable_name_is_refused(api: Api, name: str) -> None:
    assert_problem(api.http.put(f"/api/v1/cameras/{quote(name)}", json={"source": "a.mp4"}), 422, "camera")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/cameras/nobody"),
        ("DELETE", "/api/v1/cameras/nobody"),
        ("GET", "/api/v1/cameras/nobody/zones"),
        ("DELETE", "/api/v1/cameras/nobody/zones/door"),
        ("GET", "/api/v1/counts?camera=nobody"),
        ("GET", "/api/v1/crossings?camera=nobody"),
        ("GET", "/api/v1/occupancy?camera=nobody"),
        ("GET", "/api/v1/occupancy?zone=nothing"),
        ("GET", "/api/v2/cameras"),
    ],
)
def test_what_is_not_there_is_404(api: Api, method: str, path: str) -> None:
    assert_problem(api.http.request(method, path), 404, "there is no")


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("from=2026-11-23T13:00:00Z&to=2026-11-23T12:00:00Z", "is not before 'to'"),
        ("from=2026-11-23T12:00:00Z&to=2026-11-23T12:00:00Z", "is not before 'to'"),
        ("from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&resolution=minute", "longer resolution"),
        ("from=yesterday", "from"),
        ("from=2026-11-23T12:00:00", "timezone"),
        ("from=0001-01-01T00:00:00Z", "1970"),
        ("resolution=fortnight", "resolution"),
        ("camera=a%20b", "camera"),
        ("zone=%00", "zone"),
    ],
)
def test_an_impossible_question_about_counts_is_refused(api: Api, query: str, word: str) -> None:
    assert_problem(api.http.get(f"/api/v1/counts?{query}"), 422, word)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("cursor=nonsense", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE", "cursor"),
        ("limit=0", "limit"),
        ("limit=100000", "limit"),
        ("direction=up", "direction"),
        ("from=2026-11-23T13:00:00Z&to=2026-11-23T12:00:00Z", "is not before 'to'"),
    ],
)
def test_an_impossible_question_about_crossings_is_refused(api: Api, query: str, word: str) -> None:
    assert_problem(api.http.get(f"/api/v1/crossings?{query}"), 422, word)


# Health, figures, documentation


def test_it_says_that_it_is_alive_and_ready(api: Api) -> None:
    assert api.http.get("/healthz").json() == {"alive": True}
    wait_until(lambda: api.http.get("/readyz").status_code == 200)
    checks = api.http.get("/readyz").json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == dict.fromkeys(
        ("postgres", "redis", "live", "rabbitmq"), True
    )
    assert "messages wait" in checks["rabbitmq"]["detail"]


def test_an_unmigrated_database_or_a_missing_redis_is_not_ready(services: "Services") -> None:
    with running_api(services.postgres.url, "redis://127.0.0.1:1/0") as api:
        assert api.http.get("/healthz").status_code == 200
        answer = api.http.get("/readyz")
        assert_problem(answer, 503, "postgres: ", "turnstile db migrate", "redis: ")
        assert answer.json()["checks"]["redis"]["ok"] is False


def test_a_database_that_is_away_is_503_and_its_password_stays_secret() -> None:
    with running_api("postgresql://me:geheim@127.0.0.1:1/x", "redis://:geheim@127.0.0.1:1/0") as api:
        answers = [api.http.get(path) for path in ("/api/v1/cameras", "/readyz", "/metrics")]
    assert_problem(answers[0], 503, "try again")
    assert answers[0].headers["retry-after"] == "1"
    assert_problem(answers[1], 503, "127.0.0.1:1")
    assert "turnstile_store_up 0.0" in answers[2].text
    assert not any("geheim" in answer.text for answer in answers)


def test_prometheus_reads_counts_coverage_backlog_and_latency(api: Api, dsn: str) -> None:
    camera = api.add_camera("lobby", lines={"door": [0.5, 0, 0.5, 1]})
    commit(dsn, camera["id"], [crossing(camera["lines"]["door"], camera["id"], 1)])
    api.http.get("/api/v1/cameras/lobby")
    api.http.get("/nowhere/at/all")
    text = api.http.get("/metrics").text
    assert 'turnstile_crossings_total{camera="lobby",direction="in",line="door"} 1.0' in text
    assert 'turnstile_coverage_ratio{camera="lobby"} 0.0' in text
    assert "turnstile_outbox_waiting" in text
    assert 'method="GET",route="/api/v1/cameras/{camera}",status="200"' in text
    assert 'route="unmatched",status="404"' in text
    assert "nowhere" not in text


def test_the_documentation_names_every_call_with_examples(api: Api) -> None:
    described = api.http.get("/openapi.json").json()
    assert "/api/v1/counts" in described["paths"]
    assert described["components"]["schemas"]["NewCamera"]["example"]["name"] == "lobby"
    assert "no sign-in yet" in described["info"]["description"]
    assert api.http.get("/docs").status_code == 200
    page = api.http.get("/").text
    for link in ("/docs", "/api/v1/cameras", "/api/v1/occupancy", "/api/v1/counts", "/readyz", "/metrics"):
        assert f'"{link}"' in page
        assert api.http.get(link).status_code == 200


def test_a_method_that_is_not_there_is_a_problem(api: Api) -> None:
    answer: httpx.Response = api.http.patch("/api/v1/cameras")
    assert_problem(answer, 405, "PATCH")
