"""Stores under test, each with a camera or two, and the same way to look into them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol
from uuid import UUID

from sqlalchemy import Engine, text

from actors.sinks.memory import MemoryStore
from actors.sinks.postgres import PostgresStore
from schema.database import transaction
from schema.events import Checkpoint, Coverage, Totals
from schema.geometry import Scene, parse_line, parse_zone
from schema.ports import Store
from schema.queries import cameras, leases, streams, totals
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A camera with one line and one zone, under a lease."""

    id: int
    line: int
    zone: int
    lease_epoch: int


class StoreUnderTest(Protocol):
    @property
    def store(self) -> Store: ...

    def camera(self) -> Watched: ...
    def lend_again(self, camera: Watched) -> tuple[Watched, int]: ...
    def crossing_ids(self, camera: Watched) -> set[UUID]: ...
    def buckets(self, camera: Watched) -> Mapping[tuple[int, int], Totals]: ...
    def totals(self, camera: Watched) -> Mapping[int, Totals]: ...
    def coverage(self, camera: Watched) -> set[Coverage]: ...
    def event_ids(self, camera: Watched) -> set[UUID]: ...
    def checkpoint(self, camera: Watched, epoch: str) -> Checkpoint | None: ...


@dataclass
class MemoryUnderTest:
    store: MemoryStore = field(default_factory=MemoryStore)
    _numbers: count = field(default_factory=lambda: count(1))

    def camera(self) -> Watched:
        camera = Watched(id=next(self._numbers), line=next(self._numbers), zone=next(self._numbers), lease_epoch=1)
        self.know(camera)
        return camera

    def know(self, camera: Watched) -> None:
        self.store.add_rule(camera.line, camera_id=camera.id)
        self.store.add_rule(camera.zone, camera_id=camera.id)
        self.store.grant(camera.id, epoch=camera.lease_epoch)

    def lend_again(self, camera: Watched) -> tuple[Watched, int]:
        granted_ns = 1_800_000_000 * 10**9
        self.store.grant(camera.id, epoch=camera.lease_epoch + 1, granted_ns=granted_ns)
        return _under(camera, camera.lease_epoch + 1), granted_ns

    def crossing_ids(self, camera: Watched) -> set[UUID]:
        return {crossing.event_id for crossing in self.store.crossings.values() if crossing.camera_id == camera.id}

    def buckets(self, camera: Watched) -> Mapping[tuple[int, int], Totals]:
        return {key: sums for key, sums in self.store.buckets.items() if key[0] in (camera.line, camera.zone)}

    def totals(self, camera: Watched) -> Mapping[int, Totals]:
        return {rule_id: known.totals for rule_id, known in self.store.totals.items() if known.camera_id == camera.id}

    def coverage(self, camera: Watched) -> set[Coverage]:
        return {interval for interval in self.store.coverage.values() if interval.camera_id == camera.id}

    def event_ids(self, camera: Watched) -> set[UUID]:
        return {event.event_id for event in self.store.events.values() if event.camera_id == camera.id}

    def checkpoint(self, camera: Watched, epoch: str) -> Checkpoint | None:
        return self.store.checkpoints.get((camera.id, epoch))


@dataclass
class PostgresUnderTest:
    store: PostgresStore
    engine: Engine
    _numbers: count = field(default_factory=lambda: count(1))

    def camera(self) -> Watched:
        scene = Scene(lines=(parse_line("door=0.5,0,0.5,1"),), zones=(parse_zone("hall=0.1,0.1,0.9,0.1,0.5,0.9"),))
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            camera = cameras.add(session, Camera(name=f"camera-{next(self._numbers)}", source="x.mp4", scene=scene))
            lease = leases.grant(session, camera.id, holder="first", ttl_s=60)
        return Watched(
            id=camera.id, line=camera.scene.lines[0].id, zone=camera.scene.zones[0].id, lease_epoch=lease.epoch
        )

    def lend_again(self, camera: Watched) -> tuple[Watched, int]:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            lease = leases.grant(session, camera.id, holder="second", ttl_s=60)
        return _under(camera, lease.epoch), lease.granted_ns

    def crossing_ids(self, camera: Watched) -> set[UUID]:
        return set(self._column("select event_id from crossings where camera_id = :id", camera))

    def buckets(self, camera: Watched) -> Mapping[tuple[int, int], Totals]:
        with transaction(self.engine, DEFAULT_TENANT_ID) as connection:
            rows = connection.execute(text("select * from counting_results where camera_id = :id"), {"id": camera.id})
            return {(row.zone_id, to_ns(row.bucket)): _totals(row) for row in rows}

    def totals(self, camera: Watched) -> Mapping[int, Totals]:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            found = totals.live(session, [camera.id])
        return {rule.totals.rule_id: rule.totals.totals for rule in found if rule.totals.revision}

    def coverage(self, camera: Watched) -> set[Coverage]:
        with transaction(self.engine, DEFAULT_TENANT_ID) as connection:
            rows = connection.execute(text("select * from coverage where camera_id = :id"), {"id": camera.id})
            return {
                Coverage(camera_id=row.camera_id, epoch=row.epoch, from_ns=to_ns(row.from_at), to_ns=to_ns(row.to_at))
                for row in rows
            }

    def event_ids(self, camera: Watched) -> set[UUID]:
        return set(self._column("select event_id from camera_events where camera_id = :id", camera))

    def checkpoint(self, camera: Watched, epoch: str) -> Checkpoint | None:
        with transaction(self.engine, DEFAULT_TENANT_ID) as session:
            stream = streams.get(session, camera.id, epoch)
        return stream and stream.checkpoint

    def _column(self, query: str, camera: Watched) -> list:
        with transaction(self.engine, DEFAULT_TENANT_ID) as connection:
            return list(connection.scalars(text(query), {"id": camera.id}))


def _under(camera: Watched, lease_epoch: int) -> Watched:
    return Watched(id=camera.id, line=camera.line, zone=camera.zone, lease_epoch=lease_epoch)


def _totals(row) -> Totals:
    return Totals(
        count_in=row.count_in,
        count_out=row.count_out,
        effective_in=row.effective_in,
        effective_out=row.effective_out,
        appeared=row.appeared,
        lost=row.lost,
        dwell_s=row.dwell_s,
    )
