"""Detection models, and what happened to them. They are the system's: no tenant has its own."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from schema.models import LOG_TYPES, STATUSES, LogType, Status
from schema.tables.base import Base, CreatedAt, Id, Number


class ModelRow(Base):
    """A model that was opened: its file's name, and the digest of its weights as the version. One counts at a time."""

    __tablename__ = "ai_models"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        CheckConstraint("status = 'registered' or activated_at is not null", name="activated"),
        Index("uq_ai_models_active", "status", unique=True, postgresql_where=text("status = 'active'")),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    status: Mapped[Status] = mapped_column(Enum(*STATUSES, name="model_status"), server_default="registered")
    config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[CreatedAt]
    activated_at: Mapped[datetime | None]


class ModelLogRow(Base):
    """Something that happened to a model. Partitioned by month."""

    __tablename__ = "model_logs"
    __table_args__ = (
        Index("ix_model_logs_model_id_timestamp", "model_id", "timestamp"),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )

    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    id: Mapped[Id] = mapped_column(primary_key=True)
    model_id: Mapped[Number] = mapped_column(ForeignKey("ai_models.id"))
    log_type: Mapped[LogType] = mapped_column(Enum(*LOG_TYPES, name="model_log_type"))
    message: Mapped[str]
