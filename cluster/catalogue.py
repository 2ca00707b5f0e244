"""The store's side of supervision: which cameras are to be watched, who holds them, and from where they go on."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from schema.camera import CameraSpec
from schema.database import across_tenants, open_engine, transaction
from schema.errors import Permanent
from schema.queries import alerts, cameras, leases, streams, totals
from schema.tables import StreamRow
from schema.work import Assignment

LEASE_S = 10.0
AWAY_S = 30.0
"""A live camera that is away for longer raises an alert; most come back at the first attempts."""
RECORDING = "recording"
"""In a camera's ``config``: the stream epoch of the recording that is to be counted."""


class StoreCatalogue:
    """Cameras and leases in PostgreSQL.

    A live camera is wanted while it is enabled; a recorded one until the recording that its configuration names has
    been counted to its end.
    """

    def __init__(self, dsn: str, *, live: bool) -> None:
        """Connect when first needed; without ``live``, live cameras are left alone."""
        self._engine = open_engine(dsn, pool_size=2)
        self._live = live

    def wanted(self) -> Sequence[CameraSpec]:
        """Every camera that is to be watched now.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        unfinished = select(StreamRow.camera_id, StreamRow.epoch).where(StreamRow.is_file, ~StreamRow.finished)
        with across_tenants(self._engine) as session:
            todo = set(session.execute(unfinished).tuples())
            return [
                camera.spec
                for camera in cameras.listing(session)
                if camera.enabled
                and (self._live if camera.playback == "live" else (camera.id, camera.config.get(RECORDING)) in todo)
            ]

    def lend(self, spec: CameraSpec, holder: str) -> Assignment:
        """Grant a new lease; a recorded camera's checkpoint is read after it, when no older holder can move it.

        A live camera's zones start from nobody inside: its new holder sees everybody who is inside anew.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
            Permanent: the recording that the camera is to count was never begun.
        """
        with transaction(self._engine, spec.tenant_id) as session:
            lease = leases.grant(session, spec.id, holder=holder, ttl_s=LEASE_S)
            if spec.playback == "live":
                _empty_zones(session, spec.id, holder)
        if spec.playback == "live":
            return Assignment(spec=spec, lease_epoch=lease.epoch)
        with transaction(self._engine, spec.tenant_id) as session:
            epoch = str(cameras.get(session, spec.id).config.get(RECORDING))
            stream = streams.get(session, spec.id, epoch)
        if stream is None:
            raise Permanent(f"camera '{spec.name}' has no recording {epoch}")
        return Assignment(spec=spec, lease_epoch=lease.epoch, epoch=epoch, checkpoint=stream.checkpoint)

    def renew(self, held: Collection[tuple[int, int]]) -> None:
        """Prolong leases, given as camera id and lease epoch.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        if held:
            with across_tenants(self._engine) as session:
                leases.renew(session, dict(held), ttl_s=LEASE_S)

    def follow_cameras(self, now_ns: int) -> None:
        """Raise alerts for cameras that stay away, of all tenants, and resolve those of cameras that came back.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        with across_tenants(self._engine) as session:
            alerts.follow_cameras(session, now_ns=now_ns, patience_s=AWAY_S)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _empty_zones(session: Session, camera_id: int, holder: str) -> None:
    """Reset, and record, what a holder that ended without closing its tracks left inside."""
    for rule in totals.live(session, [camera_id]):
        if rule.kind == "zone" and rule.totals.occupancy:
            totals.reset_occupancy(session, rule.totals.rule_id, reason=f"{holder} starts to watch")
