"""What somebody should look into."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Computed, Enum, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.alerts import SEVERITIES, Severity
from schema.tables.base import Base, Id, Number, TenantId


class AlertRow(Base):
    """Something that is wrong, or was. What one alert is open for is not raised again until that one is resolved."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint("resolved_at >= timestamp", name="resolved_at"),
        CheckConstraint("acknowledged_by is null or acknowledged_at is not null", name="acknowledged"),
        CheckConstraint("zone_id is null or camera_id is not null", name="zone"),
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        ForeignKeyConstraint(["tenant_id", "camera_id", "zone_id"], ["zones.tenant_id", "zones.camera_id", "zones.id"]),
        ForeignKeyConstraint(["tenant_id", "acknowledged_by"], ["users.tenant_id", "users.id"]),
        Index(
            "uq_alerts_open",
            "tenant_id",
            "type",
            "camera_id",
            "zone_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("resolved_at is null"),
        ),
        Index("ix_alerts_tenant_id_timestamp", "tenant_id", "timestamp"),
        Index("ix_alerts_camera_id", "camera_id", postgresql_where=text("camera_id is not null")),
        Index("ix_alerts_zone_id", "zone_id", postgresql_where=text("zone_id is not null")),
        Index("ix_alerts_acknowledged_by", "acknowledged_by", postgresql_where=text("acknowledged_by is not null")),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    type: Mapped[str]
    severity: Mapped[Severity] = mapped_column(Enum(*SEVERITIES, name="alert_severity"))
    message: Mapped[str]
    timestamp: Mapped[datetime]
    resolved: Mapped[bool] = mapped_column(Computed("resolved_at is not null", persisted=True), nullable=False)
    resolved_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[Number | None]
    camera_id: Mapped[Number | None]
    zone_id: Mapped[Number | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))
