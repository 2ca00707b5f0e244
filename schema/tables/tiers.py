"""Counts that are no longer hot: packed days in PostgreSQL, and the list of archive files."""

from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, TenantId

KINDS = ("counting_results", "crossings", "camera_events", "coverage")
"""What is archived, by the table that it comes from."""


class PackedDayRow(Base):
    """What one line or polygon counted on one UTC day, as ``schema.tiers.packed`` packs it.

    ``checksum`` is that of its minutes, as ``schema.tiers.checksum`` computes it.
    """

    __tablename__ = "packed_days"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "camera_id", "zone_id"], ["zones.tenant_id", "zones.camera_id", "zones.id"]),
        CheckConstraint("first_minute >= 0 and minutes >= 1 and first_minute + minutes <= 1440", name="minutes"),
        Index("ix_packed_days_camera_id_day", "camera_id", "day"),
    )

    zone_id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    camera_id: Mapped[Number]
    first_minute: Mapped[int] = mapped_column(SmallInteger)
    minutes: Mapped[int] = mapped_column(SmallInteger)
    checksum: Mapped[Number]
    count_in: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    count_out: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    undone_in: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    undone_out: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    appeared: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    lost: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    dwell_ms: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    tenant_id: Mapped[TenantId]


class ArchiveRow(Base):
    """A Parquet file with the rows of one kind, tenant, and month (cold) or year (historical) from ``first_day`` on.

    A file is ``writing`` until it is verified, ``current`` from the transaction on that removes its rows elsewhere, and
    ``obsolete`` when another one holds its rows, or its writer died; it is removed some time after, for readers that
    still have it open.
    ``from_at`` and ``to_at`` are the earliest and latest time in it; ``size`` is in bytes. ``row_groups`` has for each
    of the file's row groups its first and last camera, its number of rows and their checksum.
    """

    __tablename__ = "archives"
    __table_args__ = (
        CheckConstraint(f"kind in ({', '.join(repr(kind) for kind in KINDS)})", name="kind"),
        CheckConstraint("tier in ('cold', 'historical')", name="tier"),
        CheckConstraint("state in ('writing', 'current', 'obsolete')", name="state"),
        CheckConstraint(
            "state <> 'current' or num_nulls(row_count, checksum, size, row_groups, from_at, to_at, switched_at) = 0",
            name="complete",
        ),
        UniqueConstraint("path"),
        Index("ix_archives_tenant_id_state", "tenant_id", "state"),
        Index(
            "uq_archives_current",
            "tenant_id",
            "kind",
            "tier",
            "first_day",
            unique=True,
            postgresql_where=text("state = 'current'"),
        ),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str]
    tier: Mapped[str]
    first_day: Mapped[date]
    state: Mapped[str] = mapped_column(server_default="writing")
    path: Mapped[str]
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    checksum: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int | None] = mapped_column(BigInteger)
    row_groups: Mapped[list[list[int]] | None] = mapped_column(JSONB)
    from_at: Mapped[datetime | None]
    to_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    switched_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))
