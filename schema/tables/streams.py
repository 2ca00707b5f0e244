"""Unbroken runs of a camera's source, and when they really were watched."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Number, Sum, TenantId


class StreamRow(Base):
    """One stream epoch of a camera, and how far it has been counted.

    A file's epoch is its content's fingerprint, so a second run of the same file finds ``started_at`` of the first.
    ``checkpoint`` is the number of the last frame whose crossings are stored, ``state`` the session just after it.
    """

    __tablename__ = "streams"
    __table_args__ = (
        CheckConstraint("checkpoint >= 0", name="checkpoint"),
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        {"postgresql_with": {"fillfactor": 70}},
    )

    camera_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    is_file: Mapped[bool]
    checkpoint: Mapped[Sum]
    state: Mapped[bytes | None]
    finished: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    tenant_id: Mapped[TenantId]


class CoverageRow(Base):
    """An interval in which a camera was watched; ``to_at`` grows while it goes on.

    ``to_at`` is in no index and the pages keep room, so that growing stays a heap-only update.
    """

    __tablename__ = "coverage"
    __table_args__ = (
        ForeignKeyConstraint(["camera_id", "epoch"], ["streams.camera_id", "streams.epoch"]),
        ForeignKeyConstraint(["tenant_id", "camera_id"], ["cameras.tenant_id", "cameras.id"]),
        CheckConstraint("to_at >= from_at", name="forward"),
        Index("ix_coverage_camera_id_from_at", "camera_id", "from_at"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    camera_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[str] = mapped_column(primary_key=True)
    from_at: Mapped[datetime] = mapped_column(primary_key=True)
    to_at: Mapped[datetime]
    tenant_id: Mapped[TenantId]
