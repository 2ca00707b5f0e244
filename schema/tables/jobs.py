"""What the workers are asked to do, and how far they are."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import REAL
from sqlalchemy.orm import Mapped, mapped_column

from schema.tables.base import Base, CreatedAt, Id, Number, Sum, TenantId


class JobRow(Base):
    """A job, as ``schema.jobs.Job`` says it. The row is the truth; a message at the broker only wakes a worker.

    ``lease_epoch`` is the fencing token: it grows with every claim, and only its holder's word counts.
    ``available_at`` is when it may be begun. ``told_at`` is when its message was last put into the outbox, null when
    it is to be told anew. ``key`` keeps one request from becoming two jobs.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "requested_by"], ["users.tenant_id", "users.id"]),
        CheckConstraint("kind in ('backfill', 'export', 'archive', 'erase', 'rollup', 'collect')", name="kind"),
        CheckConstraint("state in ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
        CheckConstraint("progress between 0 and 1", name="progress"),
        CheckConstraint("attempts >= 0 and retries >= 0 and lease_epoch >= 0", name="attempts"),
        CheckConstraint(
            "state <> 'running' or (holder is not null and lease_expires_at is not null)",
            name="held",
        ),
        CheckConstraint("(finished_at is null) = (state in ('queued', 'running'))", name="finished"),
        Index("ix_jobs_tenant_id_id", "tenant_id", "id"),
        Index(
            "ix_jobs_tenant_id_requested_by",
            "tenant_id",
            "requested_by",
            postgresql_where=text("requested_by is not null"),
        ),
        Index("uq_jobs_tenant_id_key", "tenant_id", "key", unique=True, postgresql_where=text("key is not null")),
        Index("ix_jobs_open", "kind", "id", postgresql_where=text("state in ('queued', 'running')")),
        Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at is not null")),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    kind: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    state: Mapped[str] = mapped_column(server_default="queued")
    progress: Mapped[float] = mapped_column(REAL, server_default=text("0"))
    message: Mapped[str] = mapped_column(server_default="")
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    retries: Mapped[int] = mapped_column(server_default=text("0"))
    key: Mapped[str | None]
    requested_by: Mapped[Number | None]
    holder: Mapped[str | None]
    lease_epoch: Mapped[Sum]
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    available_at: Mapped[CreatedAt]
    told_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    tenant_id: Mapped[TenantId] = mapped_column(ForeignKey("tenants.id"))
