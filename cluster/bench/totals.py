"""How long a dashboard waits for the totals of today: 300 cameras over HTTP, while crossings come in."""

import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import uvicorn
from redis import Redis
from sqlalchemy import text

from actors.sinks.postgres import PostgresStore
from actors.sinks.redis import RedisSink
from cluster.bench.days import add_cameras, add_day
from cluster.bench.measure import Measure
from cluster.services import Endpoints, Services
from schema.database import migrate, open_engine, transaction
from schema.events import Crossing, Delivery
from schema.queries import leases
from schema.settings import Settings
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import DAY_NS, to_datetime
from serve_app.api.app import build_api

CAMERAS = 300
REQUESTS = 600
CROSSINGS_A_SECOND = 10
WARM_LIMIT_MS = 20.0
EMPTY_LIMIT_MS = 100.0
_PATH = "/api/v1/totals/today"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    camera_id: int
    line: int
    lease_epoch: int


def measure() -> list[Measure]:
    """99th percentiles of the time from a request to the end of its answer, from Redis and with Redis emptied."""
    with tempfile.TemporaryDirectory(prefix="turnstile-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # servers run as another user when we are root
        settings = Settings(home=home / "home")
        settings.home.mkdir()
        with Services(settings) as services:
            migrate(services.endpoints.postgres_owner_dsn)
            watched = _fill_today(services.endpoints, time.time_ns())
            with (
                _served(settings, services.endpoints) as port,
                _counting(services.endpoints, watched),
                Redis.from_url(services.endpoints.redis_url) as redis,
            ):
                _ask(port, 50, before=lambda: None)
                warm_ms = _ask(port, REQUESTS, before=lambda: None)
                empty_ms = _ask(port, REQUESTS, before=lambda: redis.flushall())
    return [
        _measure("totals from Redis", warm_ms, WARM_LIMIT_MS),
        _measure("totals, Redis empty", empty_ms, EMPTY_LIMIT_MS),
    ]


def _measure(name: str, took_ms: list[float], limit_ms: float) -> Measure:
    p99_ms = float(np.percentile(took_ms, 99))
    return Measure(
        name=name,
        value=p99_ms,
        unit="ms p99",
        reference=f"limit {limit_ms:g} ms; median {np.median(took_ms):.1f} ms of {len(took_ms)} requests",
        ratio=p99_ms / limit_ms,
    )


def _ask(port: int, times: int, *, before: Callable[[], object]) -> list[float]:
    took_ms: list[float] = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(times):
        before()
        began_s = time.perf_counter()
        connection.request("GET", _PATH)
        answer = connection.getresponse()
        body = answer.read()
        took_ms.append((time.perf_counter() - began_s) * 1000)
        if answer.status != 200 or body.count(b'"camera_id"') != CAMERAS:
            raise AssertionError(f"not the totals of {CAMERAS} cameras: {body[:200]!r}")
    connection.close()
    return took_ms


def _fill_today(endpoints: Endpoints, now_ns: int) -> list[_Watched]:
    """Every minute of today at every line and zone, as if all had been committed."""
    engine = open_engine(endpoints.postgres_dsn, pool_size=1)
    watched = add_cameras(engine, CAMERAS)
    midnight = to_datetime(now_ns // DAY_NS * DAY_NS)
    add_day(engine, midnight.date(), watched, np.random.default_rng(7))
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        for statement in (_DAYS, _TOTALS):
            session.execute(text(statement), {"day": midnight})
        granted = [leases.grant(session, camera.id, holder="bench", ttl_s=3600) for camera in watched]
    engine.dispose()
    return [
        _Watched(camera_id=camera.id, line=camera.scene.lines[0].id, lease_epoch=lease.epoch)
        for camera, lease in zip(watched, granted, strict=True)
    ]


_SUMS = "count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s"
_DAYS = f"""
insert into analytics (period, timestamp, camera_id, zone_id, revision, {_SUMS})
select 'day', :day, camera_id, zone_id, 1, {", ".join(f"sum({name})" for name in _SUMS.split(", "))}
from counting_results group by camera_id, zone_id
"""  # noqa: S608 - our own names
_TOTALS = f"""
insert into zone_totals (zone_id, revision, {_SUMS})
select zone_id, 1, {_SUMS} from analytics where period = 'day' and timestamp = :day
"""  # noqa: S608 - our own names


@contextmanager
def _served(settings: Settings, endpoints: Endpoints) -> Iterator[int]:
    app = build_api(dsn=endpoints.postgres_dsn, redis_url=endpoints.redis_url, storage=settings.storage)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, name="api")
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def _counting(endpoints: Endpoints, watched: list[_Watched]) -> Iterator[None]:
    """Somebody crosses a line every tenth of a second."""
    stop = threading.Event()
    store, sink = PostgresStore(endpoints.postgres_dsn), RedisSink(endpoints.redis_url, endpoints.postgres_dsn)

    def work() -> None:
        number = 0
        while not stop.wait(1 / CROSSINGS_A_SECOND):
            number += 1
            sink.publish(store.commit([_delivery(watched[number % CAMERAS], number, time.time_ns())]))

    thread = threading.Thread(target=work, name="counting")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        store.close()
        sink.close()


def _delivery(watched: _Watched, number: int, now_ns: int) -> Delivery:
    crossing = Crossing(
        event_id=uuid4(),
        camera_id=watched.camera_id,
        epoch="bench",
        track_id=number,
        kind="line",
        rule="door",
        rule_id=watched.line,
        direction="in",
        ordinal=0,
        frame=number,
        occurred_ns=now_ns,
        confirmed_ns=now_ns,
        confidence=0.9,
        x=0.5,
        y=0.5,
    )
    return Delivery(
        camera_id=watched.camera_id,
        lease_epoch=watched.lease_epoch,
        epoch="bench",
        started_ns=now_ns,
        is_file=False,
        crossings=(crossing,),
    )
