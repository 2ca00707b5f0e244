"""Servers go away while live cameras count: nothing is lost, nothing is counted twice, and all heals by itself."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from websockets import CloseCode
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from cluster.main import Running
from cluster.services import Services
from schema.times import to_text
from tests.clips import make_clip
from tests.integration.rtsp_server import RtspServer, missing
from tests.integration.street import Street, eventually

pytestmark = pytest.mark.integration

OUTAGE_S = 20.0
CAMERA_OUTAGE_S = 15.0
SECOND_NS = 10**9


@pytest.fixture
def street(replaying: Running, engine: Engine) -> Iterator[Street]:
    with Street(replaying, engine) as cameras:
        yield cameras


@pytest.fixture
def http(replaying: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(replaying.api_url), timeout=10) as client:
        yield client


def check_agreement(street: Street) -> None:
    """Everyone who should know every crossing does, and counts each once."""
    stored = street.crossings()
    street.check_sums()
    assert street.journal.found(street.ids) <= stored
    eventually("the broker told every crossing", lambda: not street.queue.missing(stored))
    assert street.in_queue() == street.stored()
    eventually("Redis shows the stored totals", lambda: street.in_redis() == street.stored(), within_s=5)
    eventually("the client was shown the stored totals", lambda: street.shown() == street.stored(), within_s=10)


def test_postgresql_away_for_20_s_loses_nothing_and_doubles_nothing(
    street: Street, system_services: Services, replaying: Running, http: httpx.Client
) -> None:
    before = street.crossings()
    gone_ns = time.time_ns()
    system_services.postgres.stop()
    try:
        time.sleep(OUTAGE_S)
        waiting = street.journal.found(street.ids) - before
        unsent_bytes = sum(worker.unsent_bytes for worker in replaying.overview().workers)
        answers = {path: http.get(path).status_code for path in ("/healthz", "/metrics", "/readyz", "/api/v1/counts")}
        with connect(street.live_url, proxy=None) as client, pytest.raises(ConnectionClosed) as refusal:
            client.recv(timeout=5)
    finally:
        system_services.postgres.start()
    back_ns = time.time_ns()
    assert len(waiting) >= 10, "counting goes on, into the journals"
    assert unsent_bytes > 0
    assert answers == {"/healthz": 200, "/metrics": 200, "/readyz": 503, "/api/v1/counts": 503}
    assert refusal.value.rcvd is not None
    assert refusal.value.rcvd.code == CloseCode.TRY_AGAIN_LATER
    eventually("what was found in the meantime is stored", lambda: waiting <= street.crossings())
    street.stop()
    check_agreement(street)
    assert not street.live.missing(street.crossings())
    assert street.live.counts == street.stored()
    assert len(street.crossings(gone_ns, back_ns)) >= 10
    for one, next_one in pairwise(street.covered()):
        if one.camera_id == next_one.camera_id:
            assert next_one.from_ns - one.to_ns < 2 * SECOND_NS, "the cameras were watched all the time"


def test_rabbitmq_away_for_20_s_loses_no_message(street: Street, system_services: Services) -> None:
    gone_ns = time.time_ns()
    system_services.rabbitmq.stop()
    try:
        time.sleep(OUTAGE_S)
        counted = street.crossings(gone_ns)
        assert len(counted) >= 10, "counting goes on"
        assert street.outbox() >= len(counted)
        eventually("the WebSocket's client heard of them", lambda: not street.live.missing(counted), within_s=2)
    finally:
        system_services.rabbitmq.start()
    eventually("the broker told what had waited", lambda: not street.queue.missing(counted))
    street.stop()
    check_agreement(street)
    assert street.live.counts == street.stored()


def test_a_redis_that_is_killed_and_comes_back_empty_is_filled_again(
    street: Street, system_services: Services, http: httpx.Client
) -> None:
    eventually("something is counted", lambda: len(street.crossings()) > 0)
    with connect(street.live_url, proxy=None) as client:
        assert json.loads(client.recv(timeout=5))["reason"] == "joined"
        system_services.redis.kill()
        before = street.crossings()
        try:
            eventually("the API polls", lambda: http.get("/api/v1/occupancy").json()["source"] == "store")
            eventually("counting goes on", lambda: len(street.crossings()) > len(before))
        finally:
            system_services.redis.start()
        eventually("Redis shows the stored totals", lambda: street.in_redis() == street.stored(), within_s=5)
        message = json.loads(client.recv(timeout=5))
        while message["type"] != "snapshot":
            message = json.loads(client.recv(timeout=5))
    assert message["reason"] == "restarted"
    assert {totals["camera"] for totals in message["totals"]} == {camera.name for camera in street.cameras}
    eventually("the API follows Redis", lambda: http.get("/api/v1/occupancy").json()["source"] == "live")
    heard = street.live.counts
    eventually("single crossings are told again", lambda: street.live.counts != heard)
    street.stop()
    check_agreement(street)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("outage") / "street.mp4", 300)


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_camera_away_for_15_s_is_counted_again_within_5_s_and_the_gap_is_known(
    replaying: Running, engine: Engine, http: httpx.Client, recording: Path
) -> None:
    with RtspServer(recording) as server, Street(replaying, engine, sources=[server.url]) as street:
        eventually("something is counted", lambda: len(street.crossings()) > 0)
        server.kill()
        gone_ns = time.time_ns()
        time.sleep(CAMERA_OUTAGE_S)
        server.start()
        back_ns = time.time_ns()
        eventually("it is watched again", lambda: len(street.covered()) == 2, within_s=8)
        eventually("it is counted again", lambda: len(street.crossings(back_ns)) > 0)
        street.stop()
        first, second = street.covered()
        news = dict(street.news())
        minutes = counts(http, street, first.from_ns, second.to_ns)
    assert [kind for kind, _ in street.news()] == ["connected", "lost", "refused", "connected"]
    assert first.epoch != second.epoch
    assert abs(first.to_ns - gone_ns) < SECOND_NS
    assert 0 <= second.from_ns - back_ns < 5 * SECOND_NS
    assert abs(second.from_ns - news["connected"]) < SECOND_NS
    assert abs(news["lost"] - gone_ns) < SECOND_NS
    watched_s = (first.to_ns - first.from_ns + second.to_ns - second.from_ns) / SECOND_NS
    assert sum(minute["covered_s"] for minute in minutes) == pytest.approx(watched_s, abs=0.01)
    assert min(minute["coverage_ratio"] for minute in minutes) < 1


def counts(http: httpx.Client, street: Street, from_ns: int, to_ns: int) -> list[dict]:
    span = {"from": to_text(from_ns), "to": to_text(to_ns)}
    answer = http.get("/api/v1/counts", params={"camera": street.cameras[0].name, "zone": "gate", **span})
    assert answer.status_code == 200, answer.text
    return answer.json()["buckets"]
