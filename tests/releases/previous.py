"""Runs inside the previous release: its packages are first on the path, none of this version's are.

    python previous.py DSN AMQP_URL make                     an empty database becomes one of that release
    python previous.py DSN AMQP_URL begin                    a camera, its crossings, what is read of them, as JSON
    python previous.py DSN AMQP_URL read CAMERA_ID           what is read of a camera
    python previous.py DSN AMQP_URL store CAMERA_ID FIRST    store crossings until standard input ends

Crossings are those of ``tests.contracts.test_store``: one a track, whose number decides when it was.
"""

import json
import sys
import threading
from dataclasses import asdict

from actors.sinks.rabbitmq import OutboxRelay

from actors.sinks.postgres import PostgresStore
from schema.database import migrate, open_engine, transaction
from schema.errors import StoreUnavailable
from schema.events import Crossing, Delivery, crossing_id
from schema.geometry import Scene, parse_line, parse_zone
from schema.queries import cameras, counts, crossings, leases, totals
from schema.queries.cameras import Camera

BEGIN_NS = 1_790_000_040 * 10**9
STEP_NS = 5 * 3600 * 10**9
"""Between two tracks: several days and months are met."""
READ_NS = 500 * 86_400 * 10**9


def crossing(camera_id: int, line_id: int, track: int) -> Crossing:
    occurred_ns = BEGIN_NS + (track - 300) * STEP_NS
    return Crossing(
        event_id=crossing_id(camera_id=camera_id, epoch="e", track_id=track, rule="door", version=1, ordinal=0),
        camera_id=camera_id,
        epoch="e",
        track_id=track,
        kind="line",
        rule="door",
        rule_id=line_id,
        direction="in" if track % 3 else "out",
        ordinal=0,
        frame=1,
        occurred_ns=occurred_ns,
        confirmed_ns=occurred_ns,
        confidence=0.75,
        x=0.5,
        y=0.25,
    )


def deliver(store, camera_id: int, line_id: int, lease_epoch: int, tracks: range) -> int:
    given = Delivery(
        camera_id=camera_id,
        lease_epoch=lease_epoch,
        epoch="e",
        started_ns=BEGIN_NS,
        is_file=True,
        crossings=tuple(crossing(camera_id, line_id, track) for track in tracks),
    )
    return len(store.commit([given]).crossings)


def line_of(session, camera_id: int) -> int:
    return next(rule.totals.rule_id for rule in totals.live(session, [camera_id]) if rule.kind == "line")


def read(session, camera_id: int) -> dict:
    found = {
        resolution: [
            [bucket.rule, bucket.from_ns, asdict(bucket.totals), bucket.covered_s]
            for bucket in counts.buckets(
                session,
                from_ns=BEGIN_NS - READ_NS,
                to_ns=BEGIN_NS + READ_NS,
                resolution=resolution,
                camera_ids=[camera_id],
            )
        ]
        for resolution in ("hour", "day")
    }
    page = crossings.page(session, camera_id=camera_id, order="oldest", limit=10_000)
    return {
        **found,
        "crossings": [str(crossing.event_id) for crossing in page.crossings],
        "totals": [[rule.totals.rule, asdict(rule.totals.totals)] for rule in totals.live(session, [camera_id])],
    }


def begin(engine, store, amqp_url: str) -> dict:
    scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),), zones=(parse_zone("hall=0.1,0.1,0.9,0.1,0.5,0.9"),))
    with transaction(engine) as session:
        camera = cameras.add(session, Camera(name="of-the-previous", source="rtsp://u:p@10.0.0.1/x", scene=scene))
        lease = leases.grant(session, camera.id, holder="previous", ttl_s=60)
    new = deliver(store, camera.id, camera.scene.lines[0].id, lease.epoch, range(40))
    again = deliver(store, camera.id, camera.scene.lines[0].id, lease.epoch, range(40))
    relay = OutboxRelay(sys.argv[1], amqp_url)
    relayed = 0
    while moved := relay.run_once(1000):
        relayed += moved
    relay.close()
    with transaction(engine) as session:
        renewed = leases.renew(session, {camera.id: lease.epoch}, ttl_s=60)
        answer = read(session, camera.id)
        listed = [found.source for found in cameras.listing(session) if found.id == camera.id]
    return {
        "camera_id": camera.id,
        "lease_epoch": lease.epoch,
        "new": new,
        "again": again,
        "relayed": relayed,
        "renewed": sorted(renewed),
        "source": listed,
        "read": answer,
    }


def store_until_told(engine, store, camera_id: int, first: int) -> int:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    with transaction(engine) as session:
        line_id = line_of(session, camera_id)
        (lease,) = leases.in_force(session, [camera_id])
    stored = 0
    while stored == 0 or not over.is_set():
        try:
            stored += deliver(store, camera_id, line_id, lease.epoch, range(first + stored, first + stored + 10))
        except StoreUnavailable:  # as its counting actor does
            over.wait(0.1)
    return stored


def main() -> None:
    dsn, amqp_url, command, *rest = sys.argv[1:]
    engine, store = open_engine(dsn), PostgresStore(dsn)
    if command == "make":
        answer = migrate(dsn).current
    elif command == "begin":
        answer = begin(engine, store, amqp_url)
    elif command == "read":
        with transaction(engine) as session:
            answer = read(session, int(rest[0]))
    else:
        answer = store_until_told(engine, store, int(rest[0]), int(rest[1]))
    store.close()
    engine.dispose()
    json.dump(answer, sys.stdout)


main()
