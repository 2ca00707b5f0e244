"""The live WebSocket on real Redis and PostgreSQL: snapshot, deltas, slow clients, a Redis that restarts."""

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from schema.cache.families import live_channel
from schema.events import Committed, Crossing, RuleTotals, Totals
from schema.live import encode
from schema.tenants import DEFAULT_TENANT_ID
from tests.integration.api_server import PATIENCE_S, Api, running_api, wait_until

if TYPE_CHECKING:
    from cluster.services import Services

pytestmark = pytest.mark.integration

LINES = {"door": [0.5, 0, 0.5, 1]}


@pytest.fixture(scope="module")
def api(services: "Services", dsn: str) -> Iterator[Api]:
    with running_api(dsn, services.endpoints.redis_url) as running:
        for name in ("lobby", "yard"):
            running.add_camera(name, lines=LINES)
        wait_until(lambda: listening(running) and shown_to_clients(running) == {"lobby", "yard"})
        yield running


def shown_to_clients(api: Api) -> set[str]:
    with connect(api.live_url()) as client:
        return {rule["camera"] for rule in take(client)["totals"]}


def listening(api: Api) -> bool:
    return api.http.get("/api/v1/occupancy").json()["source"] == "live"


class Publisher:
    """Says on the live channel what a counting actor would say after a commit."""

    def __init__(self, api: Api, redis_url: str, camera: str = "lobby") -> None:
        answer = api.http.get(f"/api/v1/cameras/{camera}").json()
        self.camera_id, self.rule_id = answer["id"], answer["lines"]["door"]["id"]
        self.redis = redis.Redis.from_url(redis_url)
        rules = api.http.get("/api/v1/occupancy", params={"camera": camera}).json()["rules"]
        self.count = rules[0]["count_in"]
        self.revision = rules[0]["revision"]

    def cross(self) -> None:
        self.count += 1
        self.revision += 1
        now_ns = time.time_ns()
        crossing = Crossing(
            event_id=uuid4(),
            camera_id=self.camera_id,
            epoch="e",
            track_id=1,
            kind="line",
            rule="door",
            rule_id=self.rule_id,
            direction="in",
            ordinal=0,
            frame=1,
            occurred_ns=now_ns,
            confirmed_ns=now_ns,
            confidence=0.9,
            x=0.5,
            y=0.5,
        )
        totals = RuleTotals(
            camera_id=self.camera_id,
            rule_id=self.rule_id,
            rule="door",
            revision=self.revision,
            totals=Totals(count_in=self.count, effective_in=self.count),
        )
        self.redis.publish(live_channel(DEFAULT_TENANT_ID), encode(Committed(crossings=(crossing,), totals=(totals,))))


@pytest.fixture
def publisher(api: Api, services: "Services") -> Iterator[Publisher]:
    made = Publisher(api, services.endpoints.redis_url)
    yield made
    made.redis.close()


def take(client: ClientConnection) -> dict[str, Any]:
    return json.loads(client.recv(timeout=PATIENCE_S))


def test_a_client_gets_a_snapshot_then_numbered_deltas(api: Api, publisher: Publisher) -> None:
    with connect(api.live_url()) as client:
        snapshot = take(client)
        publisher.cross()
        publisher.cross()
        deltas = [take(client), take(client)]
    assert (snapshot["seq"], snapshot["type"], snapshot["reason"]) == (1, "snapshot", "joined")
    assert {rule["camera"] for rule in snapshot["totals"]} == {"lobby", "yard"}
    assert [(delta["seq"], delta["type"], delta["camera"]) for delta in deltas] == [
        (2, "delta", "lobby"),
        (3, "delta", "lobby"),
    ]
    assert deltas[1]["totals"][0]["count_in"] == publisher.count
    assert deltas[1]["crossings"][0]["rule"] == "door"


def test_a_client_hears_only_of_the_cameras_it_named(api: Api, services: "Services", publisher: Publisher) -> None:
    yard = Publisher(api, services.endpoints.redis_url, "yard")
    with connect(api.live_url("?camera=yard")) as client:
        assert [rule["camera"] for rule in take(client)["totals"]] == ["yard"]
        publisher.cross()
        yard.cross()
        assert take(client)["camera"] == "yard"
    yard.redis.close()


def test_an_unknown_camera_is_refused_by_name(api: Api) -> None:
    with connect(api.live_url("?camera=nobody")) as client, pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "'nobody'" in closed.value.rcvd.reason


def test_a_client_that_talks_nonsense_is_let_go(api: Api) -> None:
    with connect(api.live_url()) as client:
        take(client)
        client.send("hello")
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=PATIENCE_S)


def test_a_client_behind_with_its_acknowledgements_is_told_what_it_missed(api: Api, publisher: Publisher) -> None:
    with connect(api.live_url()) as slow, connect(api.live_url()) as quick:
        take(quick)
        slow.send(json.dumps({"ack": take(slow)["seq"]}))
        time.sleep(0.1)
        for _ in range(500):
            publisher.cross()
            assert take(quick)["totals"][0]["count_in"] == publisher.count
        held = [take(slow) for _ in range(64)]
        slow.send(json.dumps({"ack": held[-1]["seq"]}))
        snapshot = take(slow)
    assert [message["seq"] for message in held] == list(range(2, 66))
    assert (snapshot["type"], snapshot["reason"]) == ("snapshot", "slow")
    assert snapshot["missed"] == 500 - 64
    counts = {rule["camera"]: rule["count_in"] for rule in snapshot["totals"]}
    assert counts["lobby"] == publisher.count


def test_a_new_line_shows_up_in_a_fresh_snapshot(api: Api) -> None:
    with connect(api.live_url("?camera=yard")) as client:
        take(client)
        api.http.put("/api/v1/cameras/yard/zones/gate", json={"kind": "line", "coordinates": [0, 0.5, 1, 0.5]})
        snapshot = take(client)
    assert snapshot["reason"] == "changed"
    assert {rule["rule"] for rule in snapshot["totals"]} == {"door", "gate"}


def test_news_of_a_line_made_a_moment_ago_reaches_clients(api: Api, services: "Services") -> None:
    with connect(api.live_url("?camera=fresh")) as refused, pytest.raises(ConnectionClosed):
        refused.recv(timeout=PATIENCE_S)
    with connect(api.live_url()) as client:
        take(client)
        api.add_camera("fresh", lines=LINES)
        fresh = Publisher(api, services.endpoints.redis_url, "fresh")
        fresh.cross()
        messages = [take(client)]
        while not messages[-1].get("crossings"):
            messages.append(take(client))
    assert messages[-1]["camera"] == "fresh"
    fresh.redis.close()


def test_a_redis_that_restarts_empty_gives_everyone_a_fresh_snapshot(api: Api, services: "Services") -> None:
    with connect(api.live_url("?camera=lobby")) as client:
        take(client)
        services.redis.stop()
        wait_until(lambda: not listening(api))
        answer = api.http.get("/api/v1/occupancy", params={"camera": "lobby"})
        assert (answer.status_code, answer.json()["source"]) == (200, "store")
        services.redis.start()
        snapshot = take(client)
        assert (snapshot["type"], snapshot["reason"]) == ("snapshot", "restarted")
        assert listening(api)
        publisher = Publisher(api, services.endpoints.redis_url)
        publisher.cross()
        assert take(client)["totals"][0]["count_in"] == publisher.count
        publisher.redis.close()


def test_the_number_of_clients_is_a_metric(api: Api) -> None:
    def clients(count: int) -> bool:
        return f"turnstile_api_websocket_clients {count}.0" in api.http.get("/metrics").text

    wait_until(lambda: clients(0))
    with connect(api.live_url()) as client:
        take(client)
        assert clients(1)
    wait_until(lambda: clients(0))
