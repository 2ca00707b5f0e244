"""What was counted: every crossing, minutes of them, and totals so far."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKeyConstraint, Index, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, Sum, TenantId


class CrossingRow(Base):
    """One crossing, as ``schema.events.Crossing`` says it. Partitioned by month.

    Its zone and its stream are checked once a statement by the trigger ``check_crossings``, not by foreign keys.

    A unique key of a partitioned table must contain the partition key, so ``event_id`` is unique together with
    ``occurred_at``, which is as fixed as the id. The primary key leads with the time: pages are read in its order.
    """

    __tablename__ = "crossings"
    __table_args__ = (
        CheckConstraint("kind in ('line', 'zone')", name="kind"),
        CheckConstraint("direction in ('in', 'out')", name="direction"),
        CheckConstraint("cause in ('crossed', 'appeared', 'lost')", name="cause"),
        CheckConstraint("(undoes is null) = (undoes_at is null)", name="undoes"),
        UniqueConstraint("event_id", "occurred_at"),
        Index("ix_crossings_camera_id_occurred_at", "camera_id", "occurred_at"),
        {"postgresql_partition_by": "RANGE (occurred_at)", "info": {"refers_to": ("zones", "streams")}},
    )

    occurred_at: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    camera_id: Mapped[Number]
    epoch: Mapped[str]
    zone_id: Mapped[Number]
    track_id: Mapped[Number]
    kind: Mapped[str]
    direction: Mapped[str]
    cause: Mapped[str]
    ordinal: Mapped[int]
    frame: Mapped[Number]
    confirmed_at: Mapped[datetime]
    confidence: Mapped[float] = mapped_column(REAL)
    x: Mapped[float] = mapped_column(REAL)
    y: Mapped[float] = mapped_column(REAL)
    undoes: Mapped[UUID | None]
    undoes_at: Mapped[datetime | None]
    dwell_s: Mapped[float | None] = mapped_column(Double)
    model: Mapped[str] = mapped_column(server_default="")
    tenant_id: Mapped[TenantId]


class CountingResultRow(Base):
    """What one line or polygon counted in the minute that starts at ``bucket``.

    Partitioned by day, and every day by a hash of the camera.

    Effective counts may be below zero for a moment: an undoing crossing may be stored before the one it undoes.
    """

    __tablename__ = "counting_results"
    __table_args__ = (
        CheckConstraint("count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0", name="counts"),
        ForeignKeyConstraint(["tenant_id", "camera_id", "zone_id"], ["zones.tenant_id", "zones.camera_id", "zones.id"]),
        UniqueConstraint("zone_id", "bucket", "camera_id", name="uq_counting_results_zone_id_bucket"),
        Index("ix_counting_results_camera_id_bucket", "camera_id", "bucket"),
        {"postgresql_partition_by": "RANGE (bucket)"},
    )

    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    camera_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[Id] = mapped_column(primary_key=True)
    zone_id: Mapped[Number]
    count_in: Mapped[Sum]
    count_out: Mapped[Sum]
    effective_in: Mapped[Sum]
    effective_out: Mapped[Sum]
    appeared: Mapped[Sum]
    lost: Mapped[Sum]
    dwell_s: Mapped[float] = mapped_column(Double, server_default=text("0"))
    tenant_id: Mapped[TenantId]


class ZoneTotalsRow(Base):
    """The sums of all buckets of one line or polygon, changed in the same transaction as they.

    ``revision`` grows with every change. ``occupancy_base`` is what an audited reset added to the signed sum.
    """

    __tablename__ = "zone_totals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "zone_id"], ["zones.tenant_id", "zones.id"]),
        CheckConstraint("count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0", name="counts"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    zone_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    revision: Mapped[Sum]
    count_in: Mapped[Sum]
    count_out: Mapped[Sum]
    effective_in: Mapped[Sum]
    effective_out: Mapped[Sum]
    appeared: Mapped[Sum]
    lost: Mapped[Sum]
    dwell_s: Mapped[float] = mapped_column(Double, server_default=text("0"))
    occupancy_base: Mapped[Sum]
    tenant_id: Mapped[TenantId]


class CameraEventRow(Base):
    """Something that happened to a camera. Partitioned by month."""

    __tablename__ = "camera_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        UniqueConstraint("event_id", "timestamp"),
        Index("ix_camera_events_camera_id_timestamp", "camera_id", "timestamp"),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )

    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    camera_id: Mapped[Number]
    event_type: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tenant_id: Mapped[TenantId]


class OutboxRow(Base):
    """A message that the broker has not confirmed yet; confirmed ones are deleted.

    Overflow policy, ``the disk is the bound``: while the broker is away this grows by about a kilobyte a crossing, and
    the metric ``turnstile_outbox_waiting`` shows it. Rows otherwise live for a moment, so the table is vacuumed by
    number of dead rows, not by share.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("exchange in ('turnstile.events', 'turnstile.jobs', 'turnstile.alerts')", name="exchange"),
        Index("ix_outbox_exchange", "exchange", postgresql_where=text("exchange <> 'turnstile.events'")),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": 0,
                "autovacuum_vacuum_threshold": 5000,
            }
        },
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    routing_key: Mapped[str]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    exchange: Mapped[str] = mapped_column(server_default="turnstile.events")
    tenant_id: Mapped[TenantId]


class OutboxCrossingsRow(Base):
    """Crossings that the broker has not been told of yet: their ids in order of time, all between two moments.

    The message itself is made when it is sent. Overflow policy as for ``outbox``.
    """

    __tablename__ = "outbox_crossings"
    __table_args__ = (
        CheckConstraint("last_at >= first_at", name="forward"),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": 0,
                "autovacuum_vacuum_threshold": 5000,
            }
        },
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    event_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    created_at: Mapped[CreatedAt]
    tenant_id: Mapped[TenantId]
