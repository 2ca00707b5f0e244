"""Files that lie in the file storage, and the pictures among them that show a crossing."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, TenantId

KINDS = ("evidence", "export", "archive", "upload")


class FileRow(Base):
    """A file of a tenant. Several rows may name one file: the same content is kept once.

    ``path`` is in byte order, so that an index finds all paths of a folder. A file without ``expires_at`` stays until
    nothing needs it: evidence goes with the last row of ``evidence`` that shows it.
    """

    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint(f"kind in ({', '.join(repr(kind) for kind in KINDS)})", name="kind"),
        CheckConstraint("size >= 0", name="size"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "kind", "path"),
        Index("ix_files_path", "path"),
        Index("ix_files_expires_at", "expires_at", postgresql_where=text("expires_at is not null")),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str]
    filename: Mapped[str]
    path: Mapped[str] = mapped_column(Text(collation="C"))
    size: Mapped[Number]
    mime_type: Mapped[str]
    sha256: Mapped[str]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))


class EvidenceRow(Base):
    """The picture of a crossing, and how the person came there.

    It names its crossing by id and time and not by a foreign key: crossings move to other tiers. ``zone_id`` is the
    version of the rule, ``seen_at`` when the picture was taken, ``box`` (left, top, right, bottom, normalised to the
    camera's picture) where the person was then. ``trajectory`` is a list of [milliseconds after ``occurred_at``, x, y]
    of the person's feet.
    """

    __tablename__ = "evidence"
    __table_args__ = (
        CheckConstraint("cardinality(box) = 4", name="box"),
        CheckConstraint("jsonb_typeof(trajectory) = 'array'", name="trajectory"),
        UniqueConstraint("tenant_id", "event_id"),
        ForeignKeyConstraint(["tenant_id", "camera_id", "zone_id"], ["zones.tenant_id", "zones.camera_id", "zones.id"]),
        ForeignKeyConstraint(["tenant_id", "file_id"], ["files.tenant_id", "files.id"]),
        Index("ix_evidence_tenant_id_camera_id_zone_id", "tenant_id", "camera_id", "zone_id"),
        Index("ix_evidence_tenant_id_file_id", "tenant_id", "file_id"),
        Index("ix_evidence_tenant_id_created_at", "tenant_id", "created_at"),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    occurred_at: Mapped[datetime]
    camera_id: Mapped[Number]
    zone_id: Mapped[Number]
    file_id: Mapped[Number]
    model: Mapped[str]
    seen_at: Mapped[datetime]
    box: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    trajectory: Mapped[list[list[float]]]
    created_at: Mapped[CreatedAt]
    tenant_id: Mapped[TenantId]
