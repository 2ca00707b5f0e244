"""Every named statement of the program with values to ask with; a new one belongs here too.

The names are those of ``schema.queries``; what is below "elsewhere" is SQL of other rooms that goes by an index.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from actors.queue import relay
from actors.sinks.postgres import PostgresStore
from actors.tiers import pack
from schema.alerts import Severity
from schema.crypto import CAMERA_SOURCE
from schema.database import across_tenants, owner_transaction, transaction
from schema.database.scoped import auditing
from schema.errors import NotFound
from schema.events import Crossing, Delivery
from schema.evidence import Evidence
from schema.geometry import Scene
from schema.jobs import EraseArguments, Job
from schema.ports import Stored
from schema.queries import (
    alerts,
    audit,
    camera_sources,
    cameras,
    counted,
    counts,
    crossings,
    evidence,
    figures,
    files,
    job_leases,
    jobs,
    leases,
    models,
    outbox,
    rollups,
    scenes,
    sealed,
    streams,
    tenants,
    today,
    totals,
    user_sessions,
    users,
    versions,
    watched,
)
from schema.queries.alerts import Alert
from schema.queries.cameras import Camera
from schema.queries.steps import Steps
from schema.storage import sweep
from schema.tenants import Tenant
from schema.tiers import archives
from schema.times import to_datetime
from schema.users import User
from tests.integration.full_store import TENANT, Sample

Call = Callable[[Session, Sample], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedQuery:
    """A call, and the transaction that it belongs in."""

    session: Callable[[Engine], AbstractContextManager[Session]]
    call: Call


def as_tenant(call: Call) -> NamedQuery:
    return NamedQuery(session=lambda engine: transaction(engine, TENANT), call=call)


def as_system(call: Call) -> NamedQuery:
    return NamedQuery(session=across_tenants, call=call)


def as_owner(call: Call) -> NamedQuery:
    return NamedQuery(session=owner_transaction, call=call)


def as_auditor(call: Call) -> NamedQuery:
    return NamedQuery(session=lambda engine: auditing(engine, TENANT), call=call)


@dataclass(frozen=True, kw_only=True, slots=True)
class WithoutSession:
    """A call that opens its own transactions."""

    call: Callable[[Engine, Sample], Any]


class Shelf:
    """A store that takes files and keeps none."""

    def put(self, content: bytes, *, mime_type: str) -> Stored:
        return Stored(path=f"{mime_type}/{uuid4()}", sha256="0" * 64, size=len(content))


SHELF: Final[Any] = Shelf()


def _steps(sample: Sample, resolution: Any, **span: float) -> Steps:
    return Steps.covering(resolution, from_ns=sample.ago_ns(**span), to_ns=sample.now_ns)


def _day(sample: Sample, back: int) -> datetime:
    midnight = datetime.fromtimestamp(sample.now_ns / 1e9, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=back)


def _camera(session: Session, sample: Sample) -> Camera:
    return cameras.get(session, sample.camera_id)


def _alert(sample: Sample, severity: Severity = "warning") -> Alert:
    return Alert(type="new", severity=severity, message="x", raised_ns=sample.now_ns, camera_id=sample.camera_id)


def _claimed(session: Session, sample: Sample) -> Job:
    job = job_leases.claim(session, sample.job_id, holder="worker", ttl_s=60)
    assert isinstance(job, Job)
    return job


def _crossing(sample: Sample) -> Crossing:
    return Crossing(
        event_id=uuid4(),
        camera_id=sample.camera_id,
        epoch="e1",
        track_id=1,
        kind="line",
        rule="rule-3",
        rule_id=sample.rule_id,
        direction="in",
        ordinal=0,
        frame=1,
        occurred_ns=sample.now_ns,
        confirmed_ns=sample.now_ns,
        confidence=0.9,
        x=0.5,
        y=0.5,
    )


def _picture(sample: Sample) -> Evidence:
    return Evidence(
        tenant_id=TENANT,
        event_id=sample.event_id,
        occurred_ns=sample.occurred_ns,
        seen_ns=sample.occurred_ns,
        box=(0.0, 0.0, 1.0, 1.0),
        trajectory=(),
        jpeg=b"x",
    )


def _ingest(_engine: Engine, sample: Sample) -> None:
    delivery = Delivery(
        camera_id=sample.camera_id,
        lease_epoch=1,
        epoch="e1",
        started_ns=sample.now_ns,
        is_file=False,
        crossings=(_crossing(sample),),
    )
    with closing(PostgresStore(sample.dsn)) as store:
        assert store.commit([delivery]).crossings


def _counts(**asked: Any) -> NamedQuery:
    days = asked.pop("days")
    return as_tenant(lambda s, v: counts.buckets(s, from_ns=v.ago_ns(days=days), to_ns=v.now_ns, **asked))


NAMED: Final[Mapping[str, NamedQuery | WithoutSession]] = {
    "alerts.raise_": as_tenant(lambda s, v: alerts.raise_(s, _alert(v))),
    "alerts.resolve": as_tenant(
        lambda s, v: alerts.resolve(s, alerts.CAMERA_OFFLINE, camera_id=v.camera_id, now_ns=v.now_ns)
    ),
    "alerts.acknowledge": as_tenant(lambda s, v: alerts.acknowledge(s, v.alert_id, user_id=v.user_id, now_ns=v.now_ns)),
    "alerts.listing": as_tenant(lambda s, v: alerts.listing(s)),
    "alerts.listing, open": as_tenant(lambda s, v: alerts.listing(s, open_only=True)),
    "alerts.listing, of a camera": as_tenant(lambda s, v: alerts.listing(s, camera_id=v.camera_id)),
    "alerts.follow_cameras": as_system(lambda s, v: alerts.follow_cameras(s, now_ns=v.now_ns, patience_s=30)),
    "audit.record_read": as_tenant(lambda s, v: audit.record_read(s, CAMERA_SOURCE, v.camera_id)),
    "audit.forget": as_tenant(lambda s, v: audit.forget(s, v.user_id)),
    "audit.listing": as_auditor(lambda s, v: audit.listing(s, TENANT, before=10_000)),
    "audit.verify": as_auditor(lambda s, v: audit.verify(s, TENANT)),
    "camera_sources.seal_plain_sources": as_tenant(
        lambda s, v: camera_sources.seal_plain_sources(s, after_id=0, limit=10)
    ),
    "cameras.listing": as_tenant(lambda s, v: cameras.listing(s)),
    "cameras.specs": as_tenant(lambda s, v: cameras.specs(s)),
    "cameras.get": as_tenant(_camera),
    "cameras.by_name": as_tenant(lambda s, v: cameras.by_name(s, v.camera)),
    "cameras.add": as_tenant(lambda s, v: cameras.add(s, Camera(name="new", source="rtsp://new"))),
    "cameras.change": as_tenant(lambda s, v: cameras.change(s, _camera(s, v))),
    "cameras.put": as_tenant(lambda s, v: cameras.put(s, _camera(s, v))),
    "cameras.remove": as_tenant(lambda s, v: cameras.remove(s, v.camera_id)),
    "counted.read": as_tenant(lambda s, v: counted.read(s, [v.rule_id], _steps(v, "hour", days=2), None)),
    "counts.buckets": _counts(resolution="minute", days=0.1, camera_ids=[7]),
    "counts.buckets, a year of hours": _counts(resolution="hour", days=250, camera_ids=[7]),
    "counts.buckets, all cameras by day": _counts(resolution="day", days=3, fill=True),
    "counts.series": as_tenant(
        lambda s, v: counts.series(s, from_ns=v.ago_ns(days=200), to_ns=v.now_ns, resolution="month", camera_ids=[7])
    ),
    "crossings.page": as_tenant(lambda s, v: crossings.page(s)),
    "crossings.page, of a camera": as_tenant(
        lambda s, v: crossings.page(s, camera_id=v.camera_id, from_ns=v.ago_ns(days=2), to_ns=v.now_ns)
    ),
    "crossings.by_ids": as_tenant(
        lambda s, v: crossings.by_ids(
            s, [v.event_id], first_at=to_datetime(v.ago_ns(days=1)), last_at=to_datetime(v.now_ns)
        )
    ),
    "evidence.of_crossing": as_tenant(lambda s, v: _missing(lambda: evidence.of_crossing(s, v.event_id))),
    "evidence.add": as_tenant(lambda s, v: evidence.add(s, SHELF, [_picture(v)])),
    "figures.read": as_system(lambda s, v: figures.read(s, now_ns=v.now_ns)),
    "files.keep": as_tenant(lambda s, v: files.keep(s, SHELF, b"x", kind="export", filename="x", mime_type="text/csv")),
    "files.add": as_tenant(
        lambda s, v: files.add(s, SHELF.put(b"", mime_type="x"), kind="export", filename="x", mime_type="x")
    ),
    "files.add_all": as_tenant(
        lambda s, v: files.add_all(s, {"x": SHELF.put(b"", mime_type="x")}, kind="export", mime_type="x")
    ),
    "files.listing": as_tenant(lambda s, v: files.listing(s, kind="export")),
    "files.in_folder": as_system(lambda s, v: files.in_folder(s, "evidence/12")),
    "files.lock_for_adding": as_tenant(lambda s, v: files.lock_for_adding(s)),
    "files.lock_for_deleting": as_system(lambda s, v: files.lock_for_deleting(s)),
    "job_leases.claim": as_system(_claimed),
    "job_leases.renew": as_system(
        lambda s, v: job_leases.renew(s, _claimed(s, v), ttl_s=60, progress=0.5, message="half")
    ),
    "job_leases.complete": as_system(lambda s, v: job_leases.complete(s, _claimed(s, v), {})),
    "job_leases.fail": as_system(lambda s, v: job_leases.fail(s, _claimed(s, v), "no")),
    "job_leases.put_back": as_system(
        lambda s, v: job_leases.put_back(s, _claimed(s, v), error="no", after_s=1, passing=True)
    ),
    "job_leases.tell_due": as_system(lambda s, v: job_leases.tell_due(s)),
    "job_leases.untaken": as_system(lambda s, v: job_leases.untaken(s, for_s=60)),
    "job_leases.tell_again": as_system(lambda s, v: job_leases.tell_again(s, ["export"], for_s=60)),
    "job_leases.request_periodic": as_system(lambda s, v: job_leases.request_periodic(s, "rollup", key="today")),
    "job_leases.forget": as_system(lambda s, v: job_leases.forget(s, days=300, limit=10)),
    "job_leases.waiting": as_system(lambda s, v: job_leases.waiting(s)),
    "jobs.request": as_tenant(
        lambda s, v: jobs.request(s, "archive", {}, key="once", requested_by=v.user_id),
    ),
    "jobs.request_erasure": as_tenant(lambda s, v: jobs.request_erasure(s, EraseArguments(user_id=v.user_id))),
    "jobs.get": as_tenant(lambda s, v: jobs.get(s, v.job_id)),
    "jobs.by_key": as_tenant(lambda s, v: jobs.by_key(s, "key-4")),
    "jobs.listing": as_tenant(lambda s, v: jobs.listing(s, before=5000)),
    "jobs.cancel": as_tenant(lambda s, v: jobs.cancel(s, v.job_id)),
    "jobs.revive": as_system(lambda s, v: jobs.revive(s, v.job_id)),
    "leases.grant": as_tenant(lambda s, v: leases.grant(s, v.camera_id, holder="other", ttl_s=10)),
    "leases.renew": as_system(lambda s, v: leases.renew(s, {v.camera_id: 1}, ttl_s=10)),
    "leases.end": as_system(lambda s, v: leases.end(s, {v.camera_id: 1})),
    "leases.in_force": as_system(lambda s, v: leases.in_force(s)),
    "leases.expired": as_system(lambda s, v: leases.expired(s)),
    "models.register": as_system(lambda s, v: models.register(s, name="yolo", version="1", config={})),
    "models.activate": as_system(lambda s, v: models.activate(s, 3, now_ns=v.now_ns)),
    "models.active": as_system(lambda s, v: models.active(s)),
    "models.log": as_system(lambda s, v: models.log(s, 3, "refused", "x", now_ns=v.now_ns)),
    "models.listing": as_tenant(lambda s, v: models.listing(s)),
    "models.logs": as_tenant(lambda s, v: models.logs(s, 3)),
    "models.newest_logs": as_tenant(lambda s, v: models.newest_logs(s, limit=20)),
    "outbox.waiting": as_system(lambda s, v: outbox.waiting(s)),
    "rollups.roll_up": as_tenant(lambda s, v: rollups.roll_up(s, now_ns=v.now_ns, limit=10)),
    "rollups.stale_years": as_system(lambda s, v: rollups.stale_years(s, now_ns=v.now_ns)),
    "rollups.recompute": as_tenant(lambda s, v: rollups.recompute(s, _day(v, 2))),
    "rollups.counted_days": as_tenant(lambda s, v: rollups.counted_days(s, first=_day(v, 2), last=_day(v, 0))),
    "scenes.of": as_tenant(lambda s, v: scenes.of(s, [v.camera_id])),
    "scenes.put": as_tenant(lambda s, v: scenes.put(s, v.camera_id, Scene())),
    "sealed.keys_in_use": as_tenant(lambda s, v: sealed.keys_in_use(s, CAMERA_SOURCE)),
    "sealed.check": as_tenant(lambda s, v: sealed.check(s, CAMERA_SOURCE)),
    "sealed.reseal": as_tenant(lambda s, v: sealed.reseal(s, CAMERA_SOURCE, after_id=0, limit=10)),
    "streams.start": as_tenant(lambda s, v: streams.start(s, v.camera_id, "new", started_ns=v.now_ns, is_file=False)),
    "streams.get": as_tenant(lambda s, v: streams.get(s, v.camera_id, "e1")),
    "streams.restart": as_tenant(lambda s, v: streams.restart(s, v.camera_id, "e1")),
    "streams.unfinished": as_system(lambda s, v: streams.unfinished(s)),
    "tenants.ids": as_system(lambda s, v: tenants.ids(s)),
    "tenants.listing": as_system(lambda s, v: tenants.listing(s)),
    "tenants.by_name": as_system(lambda s, v: tenants.by_name(s, "default")),
    "tenants.add": as_owner(lambda s, v: tenants.add(s, Tenant(name="new"))),
    "tenants.change": as_owner(lambda s, v: tenants.change(s, Tenant(name="default"))),
    "today.day_totals": as_tenant(lambda s, v: today.day_totals(s, v.now_ns // (86400 * 10**9))),
    "totals.live": as_tenant(lambda s, v: totals.live(s, [v.camera_id])),
    "totals.reset_occupancy": as_tenant(lambda s, v: totals.reset_occupancy(s, v.rule_id)),
    "user_sessions.create": as_tenant(lambda s, v: user_sessions.create(s, v.user_id, now_ns=v.now_ns, ttl_s=60)),
    "user_sessions.find": as_system(lambda s, v: user_sessions.find(s, v.token, now_ns=v.now_ns)),
    "user_sessions.revoke": as_tenant(lambda s, v: user_sessions.revoke(s, v.session_id, now_ns=v.now_ns)),
    "user_sessions.revoke_all": as_tenant(lambda s, v: user_sessions.revoke_all(s, v.user_id, now_ns=v.now_ns)),
    "user_sessions.forget_expired": as_system(
        lambda s, v: user_sessions.forget_expired(s, before_ns=v.ago_ns(hours=9))
    ),
    "users.add": as_tenant(lambda s, v: users.add(s, User(username="new", email="new@example.org"))),
    "users.by_name": as_tenant(lambda s, v: users.by_name(s, "nobody")),
    "users.by_email": as_tenant(lambda s, v: users.by_email(s, "nobody@example.org")),
    "users.note_login": as_tenant(lambda s, v: users.note_login(s, v.user_id, now_ns=v.now_ns)),
    "versions.versions_of": as_tenant(lambda s, v: versions.versions_of(s, v.camera_id, "rule-1")),
    "watched.read": as_tenant(lambda s, v: watched.read(s, [v.camera_id], _steps(v, "hour", days=2), None)),
    # elsewhere
    "ingest": WithoutSession(call=_ingest),
    "relay": as_system(lambda s, v: relay._take_messages(s, 100)),
    "relay, crossings": as_system(lambda s, v: relay._take_crossings(s, 100)),
    "expired files": WithoutSession(call=lambda engine, v: sweep.count_expired(engine, now_ns=v.now_ns)),
    "days to pack": as_tenant(lambda s, v: pack.due(s, before=_day(v, 3).date())),
    "archives": as_tenant(lambda s, v: archives.current(s, "crossings")),
    "archives to remove": as_tenant(lambda s, v: archives.obsolete(s, now_ns=v.now_ns)),
    "archives given up": as_tenant(lambda s, v: archives.abandon(s, now_ns=v.now_ns)),
}


def _missing(call: Callable[[], Any]) -> None:
    """Ask for something that is not there."""
    try:
        call()
    except NotFound:
        return
