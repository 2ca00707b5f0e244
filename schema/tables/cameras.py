"""Cameras, what they count by, and who holds them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Double, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, TenantId

STATUSES = ("new", "connected", "lost", "refused", "ended", "failed")
"""A camera's last known state: ``new``, or the newest of its events with one of the other names."""


class CameraRow(Base):
    """A camera. One that was removed keeps its row, because its history does; its name is free again."""

    __tablename__ = "cameras"
    __table_args__ = (
        CheckConstraint("playback in ('live', 'recorded')", name="playback"),
        CheckConstraint(f"status in ({', '.join(repr(status) for status in STATUSES)})", name="status"),
        CheckConstraint("detect_fps > 0", name="detect_fps"),
        CheckConstraint("octet_length(source_sealed) > 30", name="source_sealed"),
        UniqueConstraint("tenant_id", "id"),
        Index("uq_cameras_name", "tenant_id", "name", unique=True, postgresql_where=text("removed_at is null")),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    friendly_name: Mapped[str] = mapped_column(server_default="")
    ip_address: Mapped[str | None] = mapped_column(INET)
    source: Mapped[str]
    """Without credentials; see ``schema.queries.camera_sources``."""
    status: Mapped[str] = mapped_column(server_default="new")
    status_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    playback: Mapped[str] = mapped_column(server_default="live")
    detect_fps: Mapped[float | None] = mapped_column(Double)
    started_at: Mapped[datetime | None]
    config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))
    source_sealed: Mapped[bytes | None]


class ZoneRow(Base):
    """One version of a line or polygon. An edit retires it and makes the next version; crossings keep theirs."""

    __tablename__ = "zones"
    __table_args__ = (
        CheckConstraint("type in ('line', 'polygon')", name="type"),
        CheckConstraint("anchor in ('foot', 'center')", name="anchor"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("u_turn_s >= 0", name="u_turn_s"),
        CheckConstraint("jsonb_array_length(coordinates) >= 2", name="coordinates"),
        UniqueConstraint("camera_id", "name", "version"),
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "camera_id", "id"),
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        Index("uq_zones_in_force", "camera_id", "name", unique=True, postgresql_where=text("retired_at is null")),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    camera_id: Mapped[Number]
    name: Mapped[str]
    type: Mapped[str]
    coordinates: Mapped[list[list[float]]]
    version: Mapped[int]
    flip: Mapped[bool] = mapped_column(server_default=text("false"))
    anchor: Mapped[str] = mapped_column(server_default="foot")
    u_turn_s: Mapped[float] = mapped_column(Double)
    created_at: Mapped[CreatedAt]
    retired_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId]


class LeaseRow(Base):
    """Who holds a camera. The row stays for ever: its epoch only grows, and an older one proves a stale holder."""

    __tablename__ = "leases"
    __table_args__ = (
        CheckConstraint("epoch >= 1", name="epoch"),
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        {"postgresql_with": {"fillfactor": 50}},
    )

    camera_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str]
    epoch: Mapped[Number]
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    tenant_id: Mapped[TenantId]
